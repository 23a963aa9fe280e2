"""Every knob, typed, with unit and default. The only reader of the environment.

Names in the environment are the field's name in capitals with the prefix `INQUEST_`; a few also answer to the name
that the outside world uses for them (`SLACK_BOT_TOKEN`, `DATABASE_URL`, …).
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from pydantic import AliasChoices, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from bot.errors import InvalidConfiguration
from bot.reasoning.arms import CLAUDE_PRICES, UNKNOWN_PRICE, Arm, Effort
from bot.reasoning.spending import Price


class SlackMode(StrEnum):
    """How Slack reaches Inquest."""

    OFF = "off"
    SOCKET = "socket"
    HTTP = "http"


def _either(name: str, *others: str) -> AliasChoices:
    return AliasChoices(f"INQUEST_{name}", *others)


class Settings(BaseSettings):
    """All settings. Every field's description is its line in docs/configuration.md."""

    model_config = SettingsConfigDict(env_prefix="INQUEST_", extra="ignore", populate_by_name=True)

    database_url: SecretStr = Field(
        SecretStr("sqlite:///.inquest/inquest.db"),
        validation_alias=_either("DATABASE_URL", "DATABASE_URL"),
        description="Where investigations are kept: `sqlite:///PATH` for one process, `postgresql://…` for many.",
    )
    redis_url: SecretStr | None = Field(
        None,
        validation_alias=_either("REDIS_URL", "REDIS_URL"),
        description="Speeds up wake-ups between processes. Nothing depends on it.",
    )
    sources_file: Path = Field(Path("config/sources.yaml"), description="The file that lists your data sources.")
    access_file: Path = Field(Path("config/access.yaml"), description="The file that lists squads, roles and policy.")
    sweeps_file: Path = Field(
        Path("config/sweeps.yaml"), description="The file of sweeps. Without it the default sweeps run."
    )
    default_sweeps: bool = Field(True, description="Whether the default sweeps run where there is no file of sweeps.")
    evals_dir: Path | None = Field(
        None,
        description="The folder where Slack's “Save as eval” keeps confirmed investigations. Unset: no such button.",
    )
    webhook_secret: SecretStr | None = Field(
        None,
        description="Opens `/api/v1/webhooks/SYSTEM` for alerts signed with it or bearing it as a token.",
    )
    admins: str = Field("", description="Slack user ids of the first admins, separated by commas.")
    workspace: str = Field("default", description="The name under which this installation's rows are kept.")

    slack_mode: SlackMode | None = Field(
        None, description="`socket`, `http` or `off`. Default: what the given tokens allow."
    )
    slack_bot_token: SecretStr | None = Field(
        None,
        validation_alias=_either("SLACK_BOT_TOKEN", "SLACK_BOT_TOKEN"),
        description="The bot token, `xoxb-…`.",
    )
    slack_app_token: SecretStr | None = Field(
        None,
        validation_alias=_either("SLACK_APP_TOKEN", "SLACK_APP_TOKEN"),
        description="The app-level token, `xapp-…`; needed for Socket Mode.",
    )
    slack_signing_secret: SecretStr | None = Field(
        None,
        validation_alias=_either("SLACK_SIGNING_SECRET", "SLACK_SIGNING_SECRET"),
        description="The signing secret; needed for HTTP mode.",
    )
    slack_api_url: str = Field("https://slack.com/api/", description="Slack's Web API. Change it only for a gateway.")

    http_host: str = Field("127.0.0.1", description="The address that the HTTP API listens on.")
    http_port: int = Field(
        8080,
        ge=0,
        le=65_535,
        validation_alias=_either("HTTP_PORT", "PORT"),
        description="The port of the HTTP API; 0 takes a free one.",
    )
    api_token: SecretStr | None = Field(
        None, description="The bearer token of the HTTP API. Without one, every API call is refused."
    )

    workers: int = Field(20, ge=1, le=1000, description="How many investigations one process runs at once.")
    retention_days: int = Field(
        0, ge=0, description="Days after its last event at which an ended investigation is forgotten; 0 keeps all."
    )
    default_window_minutes: int = Field(
        30, ge=5, le=1440, description="The span to look at when a question names none, in minutes."
    )
    call_deadline_s: float = Field(10.0, gt=0, description="How long one call to a source may take, in seconds.")
    budget_queries: int = Field(200, ge=1, description="Queries one investigation may make.")
    budget_bytes: int = Field(200_000_000, ge=1, description="Bytes one investigation may fetch.")
    budget_usd: float = Field(5.0, ge=0, description="Money one investigation may spend, in US dollars.")

    reasoner: Arm | None = Field(
        None,
        description="Who reasons: `rules`, `both` (rules and Claude) or `model` (Claude alone, to measure it). "
        "Default: `both` with a key, else `rules`.",
    )
    anthropic_api_key: SecretStr | None = Field(
        None,
        validation_alias=_either("ANTHROPIC_API_KEY", "ANTHROPIC_API_KEY"),
        description="The key of the Claude API or of a gateway with its interface.",
    )
    claude_base_url: str = Field(
        "",
        validation_alias=_either("CLAUDE_BASE_URL", "ANTHROPIC_BASE_URL"),
        description="A gateway with the interface of the Claude API. Default: Anthropic's own.",
    )
    claude_model: str = Field("claude-sonnet-5-5", description="The model to ask.")
    claude_effort: Effort = Field(Effort.MEDIUM, description="`low`, `medium`, `high`, `xhigh` or `max`.")
    claude_caching: bool = Field(True, description="Mark what repeats for the prompt cache.")
    claude_budget_tokens: int = Field(400_000, ge=1, description="Tokens one investigation may spend on Claude.")
    claude_budget_turns: int = Field(10, ge=1, description="Turns with Claude one investigation may take.")
    claude_budget_s: float = Field(180.0, gt=0, description="Time one investigation may wait for Claude, in seconds.")
    claude_prices: dict[str, Price] = Field(
        CLAUDE_PRICES,
        description="Prices by the beginning of the model's name, as JSON: "
        '`{"claude-sonnet-5-5": {"input": 2, "output": 10, "cache_write": 2.5, "cache_read": 0.1}}`, '
        "in US dollars per million tokens.",
    )
    claude_unknown_price: Price = Field(
        UNKNOWN_PRICE, description="The price of a model that is not in `claude_prices`; high, so that budgets hold."
    )

    log_level: str = Field("INFO", description="`DEBUG`, `INFO`, `WARNING` or `ERROR`.")
    log_json: bool = Field(True, description="Logs as JSON lines; false gives lines for people.")
    otlp_endpoint: str | None = Field(
        None, description="Where traces of Inquest itself go, OTLP over HTTP: `http://collector:4318/v1/traces`."
    )
    audit_key: SecretStr | None = Field(
        None, min_length=16, description="Signs the ends of the event log's chains (`inquest audit seal`)."
    )
    audit_file: Path = Field(
        Path(".inquest/seals.jsonl"), description="Where those signatures are kept: best on another machine's disk."
    )
    vault_key: SecretStr | None = Field(
        None,
        min_length=16,
        description="Seals masked values of the kinds that `policy.reversible` names, for `inquest audit unmask`.",
    )
    redaction_key: SecretStr | None = Field(
        None, description="Makes masked secrets comparable between processes and restarts; at least 16 characters."
    )

    @property
    def effective_reasoner(self) -> Arm:
        """The arm asked for, else what the given key allows."""
        if self.reasoner is not None:
            return self.reasoner
        return Arm.BOTH if self.anthropic_api_key else Arm.RULES

    @property
    def effective_slack_mode(self) -> SlackMode:
        """The mode asked for, else what the tokens allow."""
        if self.slack_mode is not None:
            return self.slack_mode
        if self.slack_bot_token is None:
            return SlackMode.OFF
        return SlackMode.SOCKET if self.slack_app_token else SlackMode.HTTP


def load_settings() -> Settings:
    """Settings from the environment; InvalidConfiguration names the variable and what is wrong with it."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = "_".join(str(part) for part in first["loc"]).upper()
        variable = name if name.startswith("INQUEST_") or name in ("PORT", "DATABASE_URL") else f"INQUEST_{name}"
        raise InvalidConfiguration(f"{variable}: {first['msg']}.") from error
