"""Settings of an Elasticsearch source."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator


class Indices(BaseModel):
    """Index expressions by what they hold; an empty one is not asked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    logs: str = "logs-*"
    errors: str = Field(default="", description="Lines that are all errors; used where logs have no level.")
    metrics: str = "metrics-*"
    deployments: str = "deployments-*"
    runbooks: str = "runbooks-knowledge"
    services: str = Field(default="lookup-services", description="Team, criticality and on-call by service.")


class FieldNames(BaseModel):
    """Names that override what is found by looking."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    service: str | None = None
    level: str | None = None
    message: str | None = None
    time: str | None = None
    trace: str | None = None
    host: str | None = None


class ElasticsearchConfig(BaseModel):
    """One cluster. Give a username with a password, or an api_key, or a bearer token, or none of them."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    hosts: tuple[str, ...] = Field(min_length=1)
    username: str | None = None
    password: SecretStr | None = None
    api_key: SecretStr | None = None
    bearer: SecretStr | None = None
    ca_file: str | None = None
    verify: bool = True
    indices: Indices = Indices()
    fields: FieldNames = FieldNames()
    kibana_url: str | None = None
    kibana_data_view: str | None = Field(default=None, description="Id of the data view that links open.")
    connections: int = Field(default=10, gt=0)
    sample_lines: int = Field(default=1_000, gt=0, le=10_000, description="Lines fetched per span for log groups.")

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
