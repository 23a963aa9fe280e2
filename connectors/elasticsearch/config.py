"""Settings of an Elasticsearch source."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from connectors._search_dsl.config import SearchConfig


class ElasticsearchConfig(SearchConfig):
    """One cluster. Give a username with a password, or an api_key, or a bearer token, or none of them."""

    pages = "kibana"

    hosts: tuple[str, ...] = Field(min_length=1)
    username: str | None = None
    password: SecretStr | None = None
    api_key: SecretStr | None = None
    bearer: SecretStr | None = None
    ca_file: str | None = None
    verify: bool = True
    kibana_url: str | None = None
    kibana_data_view: str | None = Field(default=None, description="Id of the data view that links open.")
    connections: int = Field(default=10, gt=0)

    @field_validator("hosts", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @field_validator("hosts")
    @classmethod
    def _plain_addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_address(host) for host in value)

    @field_validator("kibana_url")
    @classmethod
    def _web_address(cls, value: str | None) -> str | None:
        if value is not None and urlsplit(value).scheme not in {"http", "https"}:
            raise ValueError("must be an http:// or https:// address")
        return value.rstrip("/") if value else None

    @model_validator(mode="after")
    def _one_way_in(self) -> ElasticsearchConfig:
        if sum(1 for way in (self.username, self.api_key, self.bearer) if way) > 1:
            raise ValueError("give one of username, api_key and bearer")
        return self

    @property
    def pages_url(self) -> str | None:
        return self.kibana_url

    @property
    def pages_view(self) -> str | None:
        return self.kibana_data_view

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every secret value in clear, for scrubbing a backend's own words."""
        return tuple(s.get_secret_value() for s in (self.password, self.api_key, self.bearer) if s)


def _address(host: str) -> str:
    """The address with a port, which the driver insists on: 443 for https, 9200 for http, unless it has one."""
    parts = urlsplit(host)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be http:// or https:// addresses")
    if parts.username or parts.password:
        raise ValueError("must not hold a username or password; use the fields of that name")
    if parts.port is not None:
        return host.rstrip("/")
    port = 443 if parts.scheme == "https" else 9200
    name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{name}:{port}{parts.path}".rstrip("/")
