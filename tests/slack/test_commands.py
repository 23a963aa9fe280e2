"""What was typed: sub-command or question, options wherever they stand."""

from __future__ import annotations

import pytest

from bot.errors import InvalidRequest
from bot.slack.commands import Asked, SubCommand, Verb, parse_command

INV = "inv_0123456789abcdef"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("", SubCommand(Verb.HELP)),
        ("help", SubCommand(Verb.HELP)),
        ("status", SubCommand(Verb.STATUS)),
        ("STATUS", SubCommand(Verb.STATUS)),
        (f"cancel {INV}", SubCommand(Verb.CANCEL, INV)),
        (f"  pause   `{INV}` ", SubCommand(Verb.PAUSE, INV)),
        ("resume", SubCommand(Verb.RESUME)),
        ("retry", SubCommand(Verb.RETRY)),
        ("list", SubCommand(Verb.LIST)),
        ("history", SubCommand(Verb.HISTORY)),
        (f"handoff {INV} <@U0BEN000001|ben>", SubCommand(Verb.HANDOFF, INV, "U0BEN000001")),
        (f"handoff {INV} to <@U0BEN000001>", SubCommand(Verb.HANDOFF, INV, "U0BEN000001")),
        ("status of checkout?", Asked("status of checkout?")),
        ("list all errors since noon", Asked("list all errors since noon")),
        ("cancel orders fail, why?", Asked("cancel orders fail, why?")),
        ("help me understand the outage", Asked("help me understand the outage")),
        ("why is checkout slow?", Asked("why is checkout slow?")),
        ("why? --dry-run", Asked("why?", dry_run=True)),
        ("--since 14:00 why is it slow", Asked("why is it slow", since="14:00")),
        ('why --since "2 hours ago"', Asked("why", since="2 hours ago")),
        ("why --since 2 hours ago", Asked("why", since="2 hours ago")),
        ("why —since 30m", Asked("why", since="30m")),
        ("why --since=14:00", Asked("why", since="14:00")),
        ("why --service a,b --service c", Asked("why", services=("a", "b", "c"))),
        ("why --env staging --sources prometheus,postgresql/x",
         Asked("why", environment="staging", sources=("prometheus", "postgresql/x"))),
        ("why does kubectl --watch hang?", Asked("why does kubectl --watch hang?")),
        ("a&amp;b &lt;c&gt;", Asked("a&b <c>")),
        ("first line\nsecond line", Asked("first line\nsecond line")),
    ],
)  # fmt: skip
def test_parse(typed: str, meant: SubCommand | Asked) -> None:
    assert parse_command(typed) == meant


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("why --sevice checkout", "Did you mean --service?"),
        ("why --since", "--since needs a value"),
        ("why --service --dry-run", "--service needs a value"),
        ('why --env ""', "--env needs a value"),
    ],
)
def test_misspelt(typed: str, sentence: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_command(typed)
    assert sentence in str(caught.value)
