"""The settings of an MCP source: a command to start or an address, and which of its tools only read."""

from __future__ import annotations

from pydantic import BaseModel, Field, SecretStr, field_validator, model_validator

from connectors.http import HttpAccess


class McpConfig(BaseModel):
    """Only the tools in `read_tools` can be called; the server's own word that a tool only reads is not taken."""

    model_config = HttpAccess.model_config

    read_tools: tuple[str, ...] = Field(min_length=1, max_length=100, description="Names as the server gives them.")
    url: str | None = Field(default=None, description="Address of a server that speaks streamable HTTP.")
    command: str | None = Field(default=None, description="A program to start, which speaks on its standard streams.")
    args: tuple[str, ...] = ()
    env: dict[str, SecretStr] = Field(default_factory=dict, description="Set for the program, beside PATH and HOME.")
    token: SecretStr | None = Field(default=None, description="Sent as Authorization: Bearer.")
    headers: dict[str, SecretStr] = Field(default_factory=dict, description="Sent with every request.")
    verify: bool = True
    ca_file: str | None = None
    connect_timeout_s: float = Field(default=5.0, gt=0)

    @field_validator("url")
    @classmethod
    def _plain_address(cls, value: str | None) -> str | None:
        return HttpAccess(url=value).url if value is not None else None

    @model_validator(mode="after")
    def _one_way(self) -> McpConfig:
        if (self.url is None) == (self.command is None):
            raise ValueError("give url or command, one of them")
        return self

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every secret value in clear, for scrubbing a server's own words."""
        held = [self.token, *self.headers.values(), *self.env.values()]
        return tuple(s.get_secret_value() for s in held if s is not None)

    @property
    def where(self) -> str:
        """The server in words; arguments of the program may hold secrets and stay out."""
        return self.url or f"command {self.command}"
