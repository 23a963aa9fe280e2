"""The settings of a MySQL or MariaDB source."""

from __future__ import annotations

import ssl
from typing import Any, Literal
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from connectors.errors import Misconfigured

SslMode = Literal["disable", "prefer", "require", "verify-ca", "verify-full"]


class MysqlConfig(BaseModel):
    """`host` is a name, an address, or the path of a unix socket. `url` may stand in for the first five."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    host: str = Field(min_length=1)
    port: int = Field(default=3306, gt=0, lt=65_536)
    database: str = Field(min_length=1)
    username: str = Field(min_length=1)
    password: SecretStr | None = None
    squad: str | None = None
    services: tuple[str, ...] = ()
    sslmode: SslMode = "prefer"
    ca_file: str | None = None
    verify: bool = True
    statement_timeout_s: float = Field(default=15.0, gt=0)
    lock_timeout_s: float = Field(default=2.0, ge=1)
    connect_timeout_s: float = Field(default=5.0, gt=0)
    pool_size: int = Field(default=4, gt=0, le=64)
    sample_gap_s: float = Field(default=2.0, ge=0, description="Time between two samples of statement statistics.")

    @model_validator(mode="before")
    @classmethod
    def _from_url(cls, value: Any) -> Any:
        if not isinstance(value, dict) or "url" not in value:
            return value
        rest = {key: item for key, item in value.items() if key != "url"}
        raw = value["url"]
        parts = urlsplit(raw.get_secret_value() if isinstance(raw, SecretStr) else str(raw))
        if parts.scheme not in {"mysql", "mariadb"}:
            raise ValueError("url must begin with mysql:// or mariadb://")
        query = {key: items[-1] for key, items in parse_qs(parts.query).items()}
        found = {
            "host": query.get("socket") or unquote(parts.hostname or ""),
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
        return self.host.startswith("/")


def tls(config: MysqlConfig, name: str) -> ssl.SSLContext | None:
    """What asyncmy takes as `ssl`. Misconfigured when the certificate file cannot be used."""
    if config.on_socket or config.sslmode == "disable":
        return None
    try:
        context = ssl.create_default_context(cafile=config.ca_file)
    except OSError as error:
        reason = error.strerror or "it is not PEM"
        raise Misconfigured(f"{name}: the certificate file cannot be used: {reason}.") from error
    context.check_hostname = config.verify and config.sslmode == "verify-full"
    trusted = config.verify and (config.sslmode.startswith("verify") or config.ca_file is not None)
    context.verify_mode = ssl.CERT_REQUIRED if trusted else ssl.CERT_NONE
    return context
