"""The `inquest` command."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from bot.errors import BotError
from bot.settings import Settings, load_settings

app = typer.Typer(
    name="inquest",
    help="Ask why something is broken; get an answer that cites its evidence.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
EXIT_UNUSABLE = 2
ConfigOption = Annotated[Path | None, typer.Option("--config", help="The sources file. Default: config/sources.yaml.")]


def _settings(config: Path | None = None) -> Settings:
    settings = load_settings()
    return settings.model_copy(update={"sources_file": config}) if config else settings


@app.callback()
def root() -> None:
    """Ask why something is broken; get an answer that cites its evidence."""


@app.command()
def investigate(
    question: Annotated[str, typer.Argument(help="What to find out, in your own words.")],
    since: Annotated[str | None, typer.Option(help="A time or a length: 14:00, 30m, an ISO time.")] = None,
    service: Annotated[list[str] | None, typer.Option(help="A service to look at; may be repeated.")] = None,
    env: Annotated[str | None, typer.Option(help="The environment. Default: production.")] = None,
    sources: Annotated[list[str] | None, typer.Option(help="Ask only this type or name; may be repeated.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and ask nothing.")] = False,
    demo: Annotated[bool, typer.Option("--demo", help="Ask the built-in incident instead of your sources.")] = False,
    scenario: Annotated[str, typer.Option(help="Which built-in incident.")] = "bad_deployment",
    seed: Annotated[int, typer.Option(help="Which variant of it.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    config: ConfigOption = None,
) -> None:
    """Investigate a question here in the terminal."""
    from bot.cli.investigate import investigate as run
    from bot.services.investigations import OpenRequest

    request = OpenRequest(
        text=question,
        since=since,
        services=tuple(service or ()),
        environment=env,
        sources=tuple(sources or ()),
        dry_run=dry_run,
    )
    settings = _settings(config)
    _quiet_logs(settings)
    work = run(settings, request, as_json=as_json, demo=scenario if demo else None, seed=seed)
    raise typer.Exit(asyncio.run(work))


def _quiet_logs(settings: Settings) -> None:
    from bot.telemetry import configure_logs

    configure_logs(level="ERROR" if settings.log_level == "INFO" else settings.log_level, as_json=False)


def main() -> None:
    """Entry point. Errors made on purpose are one sentence and exit status 2."""
    try:
        app()
    except BotError as error:
        print(f"inquest: {error}", file=sys.stderr)
        sys.exit(EXIT_UNUSABLE)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
