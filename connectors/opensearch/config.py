"""The settings of an OpenSearch source."""

from __future__ import annotations

from pydantic import Field, SecretStr, model_validator

from connectors._search_dsl.config import SearchConfig
from connectors.http import HttpAccess


class OpenSearchConfig(SearchConfig):
    """One cluster, reached at one address. Give a username with a password, or a bearer token, or neither."""

    pages = "dashboards"

    url: str = Field(description="Where the REST interface is, such as https://search.example.com:9200.")
    username: str | None = None
    password: SecretStr | None = None
    bearer: SecretStr | None = None
    verify: bool = True
    ca_file: str | None = None
    client_cert_file: str | None = None
    client_key_file: str | None = None
    proxy: SecretStr | None = None
    connect_timeout_s: float = Field(default=5.0, gt=0)
    dashboards_url: str | None = Field(default=None, pattern=r"^https?://")
    dashboards_index_pattern: str | None = Field(default=None, description="Id of the index pattern that links open.")

    @model_validator(mode="after")
    def _reachable(self) -> OpenSearchConfig:
        if self.username and self.bearer:
            raise ValueError("give one of username and bearer")
        self.access()
        return self

    def access(self) -> HttpAccess:
        """How to reach and sign in to the cluster."""
        return HttpAccess(
            url=self.url,
            username=self.username,
            password=self.password,
            token=self.bearer,
            verify=self.verify,
            ca_file=self.ca_file,
            client_cert_file=self.client_cert_file,
            client_key_file=self.client_key_file,
            proxy=self.proxy,
            connect_timeout_s=self.connect_timeout_s,
        )

    @property
    def pages_url(self) -> str | None:
        return self.dashboards_url.rstrip("/") if self.dashboards_url else None

    @property
    def pages_view(self) -> str | None:
        return self.dashboards_index_pattern
