"""The settings of a MongoDB source."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

ReadFrom = Literal["primary", "primaryPreferred", "secondary", "secondaryPreferred", "nearest"]


class MongodbConfig(BaseModel):
    """`url` is `mongodb://host:port,host:port/?options` or `mongodb+srv://name/`, without credentials."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    url: str = Field(min_length=1)
    database: str = Field(min_length=1)
    username: str | None = None
    password: SecretStr | None = None
    auth_source: str = "admin"
    auth_mechanism: str | None = None
    squad: str | None = None
    services: tuple[str, ...] = ()
    tls: bool | None = None
    ca_file: str | None = None
    verify: bool = True
    read_from: ReadFrom = "secondaryPreferred"
    statement_timeout_s: float = Field(default=15.0, gt=0)
    connect_timeout_s: float = Field(default=3.0, gt=0)
    pool_size: int = Field(default=4, gt=0, le=64)

    @field_validator("url")
    @classmethod
    def _plain_address(cls, value: str) -> str:
        if not value.startswith(("mongodb://", "mongodb+srv://")):
            raise ValueError("must begin with mongodb:// or mongodb+srv://")
        if "@" in urlsplit(value).netloc:
            raise ValueError("must not hold a username or password; use the fields of that name")
        return value

    @property
    def secrets(self) -> tuple[str, ...]:
        return (self.password.get_secret_value(),) if self.password else ()
