"""The settings of a New Relic source."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field, SecretStr, model_validator

from connectors.http import HttpAccess

# Source: https://docs.newrelic.com/docs/apis/nerdgraph/get-started/introduction-new-relic-nerdgraph/ (read 2026-11).
REGIONS: dict[str, tuple[str, str]] = {
    "us": ("https://api.newrelic.com", "https://one.newrelic.com"),
    "eu": ("https://api.eu.newrelic.com", "https://one.eu.newrelic.com"),
}


class NewRelicConfig(BaseModel):
    """One account, read with one user key."""

    model_config = HttpAccess.model_config

    account_id: int = Field(gt=0)
    api_key: SecretStr = Field(description="A user key (NRAK-…).")
    region: Literal["us", "eu"] = "us"
    url: str | None = Field(default=None, description="Another address of the API, such as a proxy's.")
    environment_attribute: str | None = Field(
        default=None,
        max_length=100,
        pattern=r"^[\w.]+$",
        description="Attribute that tells the environment of an event.",
    )
    environment_value: str | None = Field(default=None, max_length=200, description="Its value here.")
    verify: bool = True
    ca_file: str | None = None
    proxy: SecretStr | None = None
    connect_timeout_s: float = Field(default=5.0, gt=0)
    sample_lines: int = Field(default=1_000, gt=0, le=5_000, description="Lines read per span for log groups.")

    @model_validator(mode="after")
    def _sound(self) -> NewRelicConfig:
        if (self.environment_attribute is None) != (self.environment_value is None):
            raise ValueError("give environment_attribute and environment_value together")
        self.access()
        return self

    def access(self) -> HttpAccess:
        """How to reach and sign in to NerdGraph."""
        return HttpAccess(
            url=self.url or REGIONS[self.region][0],
            headers={"api-key": self.api_key},
            verify=self.verify,
            ca_file=self.ca_file,
            proxy=self.proxy,
            connect_timeout_s=self.connect_timeout_s,
        )

    @property
    def app(self) -> str:
        """Where people open things."""
        return REGIONS[self.region][1]
