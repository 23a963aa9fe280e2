"""The settings of a Datadog source."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field, SecretStr, field_validator, model_validator

from connectors.http import HttpAccess

# Source of the hosts: https://docs.datadoghq.com/getting_started/site/ (read 2026-11).
SITES: dict[str, tuple[str, str]] = {
    "us1": ("https://api.datadoghq.com", "https://app.datadoghq.com"),
    "us3": ("https://api.us3.datadoghq.com", "https://us3.datadoghq.com"),
    "us5": ("https://api.us5.datadoghq.com", "https://us5.datadoghq.com"),
    "eu1": ("https://api.datadoghq.eu", "https://app.datadoghq.eu"),
    "ap1": ("https://api.ap1.datadoghq.com", "https://ap1.datadoghq.com"),
    "ap2": ("https://api.ap2.datadoghq.com", "https://ap2.datadoghq.com"),
    "gov": ("https://api.ddog-gov.com", "https://app.ddog-gov.com"),
}


class DatadogConfig(BaseModel):
    """One organisation. `app_id` narrows every typed question to these services."""

    model_config = HttpAccess.model_config

    api_key: SecretStr
    application_key: SecretStr
    site: Literal["us1", "us3", "us5", "eu1", "ap1", "ap2", "gov"] = "us1"
    app_id: tuple[str, ...] = Field(default=(), description="Services to ask about; all unless set.")
    env: str | None = Field(default=None, description="Value of the env tag; every typed question is narrowed to it.")
    url: str | None = Field(default=None, description="Another address of the API, such as a proxy's.")
    app_url: str | None = Field(default=None, description="Where links lead, for a subdomain of your own.")
    verify: bool = True
    ca_file: str | None = None
    proxy: SecretStr | None = None
    connect_timeout_s: float = Field(default=5.0, gt=0)
    deployment_query: str = Field(
        default="source:(deployment OR argocd OR github OR gitlab OR jenkins OR spinnaker) OR tags:deployment",
        description="Events that tell of a deployment.",
    )
    sample_lines: int = Field(default=1_000, gt=0, le=5_000, description="Lines read per span for log groups.")

    @field_validator("app_id", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _reachable(self) -> DatadogConfig:
        self.access()
        return self

    def access(self) -> HttpAccess:
        """How to reach and sign in to the API."""
        return HttpAccess(
            url=self.url or SITES[self.site][0],
            headers={"dd-api-key": self.api_key, "dd-application-key": self.application_key},
            verify=self.verify,
            ca_file=self.ca_file,
            proxy=self.proxy,
            connect_timeout_s=self.connect_timeout_s,
        )

    @property
    def app(self) -> str:
        """Where people open things."""
        return (self.app_url or SITES[self.site][1]).rstrip("/")
