"""The settings of a Jira source."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, SecretStr, model_validator

from connectors.http import HttpAccess


class JiraConfig(BaseModel):
    """One site. With an email the token is a Cloud API token, without one a personal access token."""

    model_config = HttpAccess.model_config

    server: str = Field(description="https://acme.atlassian.net, or where /rest hangs.")
    email: str | None = None
    token: SecretStr | None = None
    project: str | None = Field(
        default=None, pattern=r"^[A-Z][A-Z0-9_]*$", description="Where tickets are looked up and made."
    )
    deployment: Literal["cloud", "data_center"] | None = Field(
        default=None, description="Told from the address unless set."
    )
    issue_type: str = Field(default="Task", description="Type of tickets made here.")
    writes: bool = Field(default=False, description="Carry out changes that were approved; otherwise only read.")
    verify: bool = True
    ca_file: str | None = None
    proxy: SecretStr | None = None
    connect_timeout_s: float = Field(default=5.0, gt=0)

    @model_validator(mode="after")
    def _reachable(self) -> JiraConfig:
        self.access()
        return self

    def access(self) -> HttpAccess:
        """How to reach and sign in to the site."""
        return HttpAccess(
            url=self.server,
            username=self.email,
            password=self.token if self.email else None,
            token=None if self.email else self.token,
            verify=self.verify,
            ca_file=self.ca_file,
            proxy=self.proxy,
            connect_timeout_s=self.connect_timeout_s,
        )

    @property
    def is_cloud(self) -> bool:
        """Cloud pages by token and takes documents; Data Center pages by number and takes wiki text."""
        if self.deployment is not None:
            return self.deployment == "cloud"
        return (urlsplit(self.server).hostname or "").endswith((".atlassian.net", ".jira.com"))

    @property
    def root(self) -> str:
        """The path of the REST interface."""
        return "/rest/api/3" if self.is_cloud else "/rest/api/2"

    def link(self, key: str) -> str:
        return f"{self.server.rstrip('/')}/browse/{key}"
