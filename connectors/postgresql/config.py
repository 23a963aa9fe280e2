"""The settings of a PostgreSQL source."""

from __future__ import annotations

import ssl
from typing import Any, Literal
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from connectors.errors import Misconfigured

SslMode = Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]
APPLICATION = "inquest"


class PostgresqlConfig(BaseModel):
    """`host` is a name, an address, or the folder of a unix socket. `url` may stand in for the first five."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    host: str = Field(min_length=1)
    port: int = Field(default=5432, gt=0, lt=65_536)
    database: str = Field(min_length=1)
    username: str = Field(min_length=1)
    password: SecretStr | None = None
    squad: str | None = None
    services: tuple[str, ...] = ()
    sslmode: SslMode = "prefer"
    ca_file: str | None = None
    verify: bool = True
    statement_timeout_s: float = Field(default=15.0, gt=0)
    lock_timeout_s: float = Field(default=2.0, gt=0)
    connect_timeout_s: float = Field(default=5.0, gt=0)
    writes: bool = Field(default=False, description="End sessions when people approved it; otherwise only read.")
    pool_size: int = Field(default=4, gt=0, le=64)
    behind_pooler: bool = Field(default=False, description="True behind pgbouncer in transaction mode.")
    sample_gap_s: float = Field(default=2.0, ge=0, description="Time between two samples of statement statistics.")

    @model_validator(mode="before")
    @classmethod
    def _from_url(cls, value: Any) -> Any:
        if not isinstance(value, dict) or "url" not in value:
            return value
        rest = {key: item for key, item in value.items() if key != "url"}
        raw = value["url"]
        parts = urlsplit(raw.get_secret_value() if isinstance(raw, SecretStr) else str(raw))
        if parts.scheme not in {"postgresql", "postgres"}:
            raise ValueError("url must begin with postgresql://")
        query = {key: items[-1] for key, items in parse_qs(parts.query).items()}
        found = {
            "host": query.get("host") or unquote(parts.hostname or ""),
            "port": parts.port,
            "database": unquote(parts.path.lstrip("/")),
            "username": unquote(parts.username or ""),
            "password": unquote(parts.password) if parts.password else None,
            "sslmode": query.get("sslmode"),
        }
        return {**{key: item for key, item in found.items() if item}, **rest}

    @property
    def secrets(self) -> tuple[str, ...]:
        return (self.password.get_secret_value(),) if self.password else ()

    @property
    def on_socket(self) -> bool:
        return self.host.startswith(("/", "@"))


def tls(config: PostgresqlConfig, name: str) -> ssl.SSLContext | str | bool:
    """What asyncpg takes as `ssl`. Misconfigured when the certificate file cannot be used."""
    if config.on_socket or config.sslmode == "disable":
        return False
    if config.sslmode in {"allow", "prefer"} and config.ca_file is None:
        return config.sslmode
    try:
        context = ssl.create_default_context(cafile=config.ca_file)
    except OSError as error:
        reason = error.strerror or "it is not PEM"
        raise Misconfigured(f"{name}: the certificate file cannot be used: {reason}.") from error
    context.check_hostname = config.verify and config.sslmode == "verify-full"
    trusted = config.verify and (config.sslmode.startswith("verify") or config.ca_file is not None)
    context.verify_mode = ssl.CERT_REQUIRED if trusted else ssl.CERT_NONE
    return context
