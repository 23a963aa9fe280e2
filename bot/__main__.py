"""The `inquest` command."""

from __future__ import annotations

import asyncio
import gc
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from bot.errors import BotError
from bot.reasoning.arms import Arm
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


@app.command()
def ask(
    question: Annotated[str, typer.Argument(help="What to find out. `payment db: …` names the source in the words.")],
    source: Annotated[str | None, typer.Option(help="Ask only this source: its name, type or a part of it.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the query and ask nothing.")] = False,
    demo: Annotated[bool, typer.Option("--demo", help="Ask the built-in incident instead of your sources.")] = False,
    scenario: Annotated[str, typer.Option(help="Which built-in incident.")] = "bad_deployment",
    seed: Annotated[int, typer.Option(help="Which variant of it.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
    config: ConfigOption = None,
) -> None:
    """Ask one source in plain words: the query, what it does and costs, and its result."""
    from bot.cli.ask import ask as run

    settings = _settings(config)
    _quiet_logs(settings)
    scene = scenario if demo else None
    work = run(settings, question, source=source, dry_run=dry_run, as_json=as_json, demo=scene, seed=seed)
    raise typer.Exit(asyncio.run(work))


@app.command()
def demo(
    scenario: Annotated[str, typer.Option(help="Which incident to play.")] = "bad_deployment",
    seed: Annotated[int, typer.Option(help="Which variant of it.")] = 1,
    port: Annotated[int, typer.Option(help="Port of the page; a free one is taken when it is in use.")] = 8765,
) -> None:
    """Try Inquest without any account: a simulated Slack workspace and an incident."""
    from bot.cli.demo import demo as run

    asyncio.run(run(load_settings(), scenario=scenario, seed=seed, port=port))


@app.command()
def serve(config: ConfigOption = None) -> None:
    """Run everything in one process: Slack, HTTP API, worker and scheduler."""
    _serve(config, "web", "worker", "scheduler")


@app.command()
def web(config: ConfigOption = None) -> None:
    """Run Slack and the HTTP API; workers run elsewhere."""
    _serve(config, "web")


@app.command()
def worker(config: ConfigOption = None) -> None:
    """Run investigations; any number of workers share PostgreSQL."""
    _serve(config, "worker")


@app.command()
def scheduler(config: ConfigOption = None) -> None:
    """Run what happens on a schedule."""
    _serve(config, "scheduler")


def _serve(config: Path | None, *names: str) -> None:
    from bot.app import Part
    from bot.cli.serve import serve as run

    asyncio.run(run(_settings(config), *(Part(name) for name in names)))


@app.command()
def release() -> None:
    """Bring the database to the schema that this version needs."""
    from bot.store import schema

    url = load_settings().database_url.get_secret_value()
    schema.upgrade(url)
    print("The database is at the current schema.")


@app.command()
def doctor(config: ConfigOption = None) -> None:
    """Name what is missing or unreachable, and the mend for each."""
    from bot.cli.doctor import doctor as run

    settings = _settings(config)
    _quiet_logs(settings)
    raise typer.Exit(asyncio.run(run(settings)))


sources_app = typer.Typer(help="The sources that config/sources.yaml lists.", no_args_is_help=True)
app.add_typer(sources_app, name="sources")


@sources_app.command("list")
def sources_list(config: ConfigOption = None) -> None:
    """List the configured sources and their tools."""
    from bot.cli.sources import list_sources

    list_sources(_settings(config))


@sources_app.command("test")
def sources_test(config: ConfigOption = None) -> None:
    """Test the connection to every source."""
    from bot.cli.sources import test_sources

    raise typer.Exit(asyncio.run(test_sources(_settings(config))))


@sources_app.command("describe")
def sources_describe(name: str, config: ConfigOption = None) -> None:
    """Show what one source holds: tables, indices, metrics, namespaces."""
    from bot.cli.sources import describe_source

    raise typer.Exit(asyncio.run(describe_source(_settings(config), name)))


@app.command()
def status() -> None:
    """Show what runs and what ran last."""
    from bot.cli.status import status as run

    asyncio.run(run(load_settings()))


ReasonerOption = Annotated[Arm | None, typer.Option(help="Who reasons. Default: rules.")]


@app.command()
def replay(
    investigation_id: Annotated[str, typer.Argument(help="The investigation's id, inv_….")],
    reasoner: ReasonerOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the new report and the changes as JSON.")] = False,
    save_eval: Annotated[Path | None, typer.Option(help="Keep it as an eval in this folder instead.")] = None,
    cause: Annotated[str | None, typer.Option(help="The true cause for --save-eval: 'app/NAME CAUSE'.")] = None,
    config: ConfigOption = None,
) -> None:
    """Run a past investigation again from its log, asking no source, and show what changed."""
    from bot.cli.replay import replay_one

    settings = _settings(config)
    _quiet_logs(settings)
    work = replay_one(settings, investigation_id, arm=reasoner, as_json=as_json, save_to=save_eval, cause=cause)
    raise typer.Exit(asyncio.run(work))


@app.command("eval")
def evaluate(
    folder: Annotated[Path, typer.Argument(help="A folder that `replay --save-eval` filled.")],
    reasoner: ReasonerOption = None,
    out: Annotated[Path | None, typer.Option(help="Write the scores here as JSON.")] = None,
    config: ConfigOption = None,
) -> None:
    """Score a folder of past investigations whose causes were confirmed."""
    from bot.cli.evaluate import evaluate_folder

    settings = _settings(config)
    _quiet_logs(settings)
    raise typer.Exit(asyncio.run(evaluate_folder(settings, folder, arm=reasoner, out=out)))


@app.command("config")
def show_config() -> None:
    """List every setting with its value here (secrets hidden) and what it does."""
    from bot.cli.config import show

    show(load_settings())


runbooks_app = typer.Typer(help="What people know about trouble, written down.", no_args_is_help=True)
app.add_typer(runbooks_app, name="runbooks")


@runbooks_app.command("list")
def runbooks_list() -> None:
    """List the runbooks."""
    from bot.cli.runbooks import list_runbooks

    list_runbooks()


@runbooks_app.command("check")
def runbooks_check(
    folder: Annotated[Path | None, typer.Option(help="Another folder than the library that ships.")] = None,
) -> None:
    """Check every runbook: front matter, tools, parameters."""
    from bot.cli.runbooks import check_runbooks

    raise typer.Exit(check_runbooks(folder))


@runbooks_app.command("search")
def runbooks_search(words: Annotated[list[str], typer.Argument(help="Words to look for.")]) -> None:
    """Find runbooks by words."""
    from bot.cli.runbooks import search_runbooks

    raise typer.Exit(search_runbooks(" ".join(words)))


sweeps_app = typer.Typer(help="What is watched on a schedule.", no_args_is_help=True)
app.add_typer(sweeps_app, name="sweeps")


@sweeps_app.command("list")
def sweeps_list(config: ConfigOption = None) -> None:
    """List the sweeps: what each asks, how often, and where it is defined."""
    from bot.cli.sweeps import list_sweeps

    settings = _settings(config)
    _quiet_logs(settings)
    asyncio.run(list_sweeps(settings))


@sweeps_app.command("run")
def sweeps_run(name: str, config: ConfigOption = None) -> None:
    """Run one sweep now and show what is out of normal."""
    from bot.cli.sweeps import run_sweep

    settings = _settings(config)
    _quiet_logs(settings)
    raise typer.Exit(asyncio.run(run_sweep(settings, name)))


admin_app = typer.Typer(help="Who may do what.", no_args_is_help=True)
app.add_typer(admin_app, name="admin")
SquadOption = Annotated[str | None, typer.Option(help="Only in this squad; without it everywhere.")]


@admin_app.command("grant")
def admin_grant(role: str, user: str, squad: SquadOption = None) -> None:
    """Give a role (responder, lead, admin) to a Slack user id."""
    from bot.cli.admin import grant

    asyncio.run(grant(load_settings(), role, user, squad=squad))


@admin_app.command("revoke")
def admin_revoke(role: str, user: str, squad: SquadOption = None) -> None:
    """Take a role back."""
    from bot.cli.admin import revoke

    asyncio.run(revoke(load_settings(), role, user, squad=squad))


@admin_app.command("list")
def admin_list() -> None:
    """List the roles that were granted."""
    from bot.cli.admin import list_roles

    asyncio.run(list_roles(load_settings()))


audit_app = typer.Typer(help="The event log.", no_args_is_help=True)
app.add_typer(audit_app, name="audit")


@audit_app.command("verify")
def audit_verify(
    export: Annotated[Path | None, typer.Option(help="Check this export (JSON lines) instead.")] = None,
) -> None:
    """Check every hash chain and the seals; names the first broken link."""
    from bot.cli.audit import verify

    raise typer.Exit(asyncio.run(verify(load_settings(), export=export)))


@audit_app.command("seal")
def audit_seal() -> None:
    """Sign the ends of all chains, into a file apart from the database."""
    from bot.cli.audit import seal

    asyncio.run(seal(load_settings()))


@audit_app.command("export")
def audit_export(
    kind: Annotated[str, typer.Option("--format", help="jsonl or csv.")] = "jsonl",
    stream: Annotated[str | None, typer.Option(help="Only this stream, such as proposal/ID.")] = None,
    since: Annotated[datetime | None, typer.Option(help="Only events from this time on (UTC).")] = None,
    out: Annotated[Path | None, typer.Option(help="Write here. Default: standard output.")] = None,
) -> None:
    """Hand over the event log."""
    from bot.cli.audit import export

    asyncio.run(export(load_settings(), kind=kind, stream=stream, since=since, out=out))


@audit_app.command("archive")
def audit_archive(
    out: Annotated[Path, typer.Option(help="The file to add the events to.")],
    days: Annotated[int, typer.Option(min=1, help="Only streams that were quiet for so many days.")] = 400,
) -> None:
    """Move old events into a file. Their chains stay provable."""
    from bot.cli.audit import archive

    asyncio.run(archive(load_settings(), days=days, out=out))


@audit_app.command("unmask")
def audit_unmask(
    placeholder: Annotated[str, typer.Argument(help="As it stands there: `[personal:email:0a1b2c]`.")],
    reason: Annotated[str, typer.Option(help="Why; it is recorded with your name.")],
) -> None:
    """Read back a masked value, where policy keeps its kind and lets you."""
    from bot.cli.audit import unmask

    asyncio.run(unmask(load_settings(), placeholder, reason=reason))


def _quiet_logs(settings: Settings) -> None:
    from bot.telemetry import configure_logs

    configure_logs(level="ERROR" if settings.log_level == "INFO" else settings.log_level, as_json=False)


def main() -> None:
    """Entry point. Errors made on purpose are one sentence and exit status 2."""
    # Start-up makes a hundred thousand objects that live for ever; looking for garbage among them costs a third of it.
    gc.set_threshold(50_000, 20, 50)
    try:
        app()
    except BotError as error:
        print(f"inquest: {error}", file=sys.stderr)
        sys.exit(EXIT_UNUSABLE)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
