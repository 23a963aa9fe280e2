"""The event log proves itself: tampering is named, a cut tail too; exports and archives can be checked on their own."""

from __future__ import annotations

import csv
import io
import random
import shutil
import sqlite3
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from bot.cli import audit as commands
from bot.domain.remediation import proposal_stream
from bot.errors import InvalidRequest
from bot.services import audit
from bot.services.approvals import button_value
from bot.services.audit import Seals
from bot.settings import Settings
from bot.store import Store
from tests.remediation.making import CY
from tests.remediation.plant import Plant, a_plant

KEY = b"a key that the database does not know"
STREAM = proposal_stream("prop_1")


@pytest.fixture
async def plant(tmp_path: Path) -> AsyncIterator[Plant]:
    async with a_plant(tmp_path) as made:
        yield made


def seals(plant: Plant, folder: Path, key: bytes = KEY) -> Seals:
    return Seals(folder / "apart" / "seals.jsonl", key, workspace="default", clock=plant.clock)


async def carried_out(plant: Plant) -> None:
    one, proposal = plant.process(), await plant.proposed()
    await one.decisions.approve(button_value(proposal), by=CY)
    await one.remediation.step(proposal.id)


async def damaged(folder: Path, *statements: str) -> Store:
    """A copy of the database after somebody with access to it was there."""
    copy = folder / f"copy{random.random()}"
    copy.mkdir()
    with sqlite3.connect(folder / "inquest.db") as source, sqlite3.connect(copy / "inquest.db") as target:
        source.backup(target)
        for statement in statements:
            target.execute(statement)
    return await Store.open(f"sqlite:///{copy}/inquest.db")


async def test_a_log_and_its_seals_are_whole(plant: Plant, tmp_path: Path) -> None:
    await carried_out(plant)
    assert await seals(plant, tmp_path).add(plant.store) == 2
    assert await seals(plant, tmp_path).add(plant.store) == 0, "nothing grew"
    await plant.proposed(key="prop_2")
    assert await seals(plant, tmp_path).add(plant.store) == 1, "only what grew"
    assert await seals(plant, tmp_path).broken_links(plant.store) == []


CUT = (
    f"DELETE FROM investigation_events WHERE stream = '{STREAM}' AND seq > 3",
    "UPDATE chain_heads SET seq = 3, hash = (SELECT hash FROM investigation_events WHERE"
    f" stream = '{STREAM}' AND seq = 3) WHERE stream = '{STREAM}'",
)


async def test_a_tail_cut_in_both_places_is_found_by_its_seal(plant: Plant, tmp_path: Path) -> None:
    await carried_out(plant)
    await seals(plant, tmp_path).add(plant.store)
    store = await damaged(tmp_path, *CUT)
    assert await store.broken_links() == [], "the chain alone cannot tell"
    (broken,) = await seals(plant, tmp_path).broken_links(store)
    assert (broken.stream, "cut" in broken.why) == (STREAM, True)
    with pytest.raises(InvalidRequest, match="Not sealed"):
        await seals(plant, tmp_path).add(store)
    await store.close()


async def test_a_whole_stream_that_vanished_is_found(plant: Plant, tmp_path: Path) -> None:
    await carried_out(plant)
    await seals(plant, tmp_path).add(plant.store)
    gone = [f"DELETE FROM {name} WHERE stream = '{STREAM}'" for name in ("investigation_events", "chain_heads")]
    store = await damaged(tmp_path, *gone)
    assert [link.stream for link in await seals(plant, tmp_path).broken_links(store)] == [STREAM]
    await store.close()


@pytest.mark.parametrize("how", ["edit", "swap", "drop", "other key"])
async def test_a_seal_that_was_touched_is_found(plant: Plant, tmp_path: Path, how: str) -> None:
    for number in range(1, 4):
        await plant.proposed(key=f"prop_{number}")
        await seals(plant, tmp_path).add(plant.store)
    path = tmp_path / "apart" / "seals.jsonl"
    lines = path.read_text().splitlines()
    changed = {
        "edit": [lines[0], lines[1].replace('"seq":1', '"seq":2'), lines[2]],
        "swap": [lines[0], lines[2], lines[1]],
        "drop": [lines[0], lines[2]],
        "other key": lines,
    }[how]
    path.write_text("\n".join(changed) + "\n")
    key = KEY + b"!" if how == "other key" else KEY
    (broken,) = await seals(plant, tmp_path, key).broken_links(plant.store)
    assert (broken.stream, broken.seq) == ("seals", 1 if how == "other key" else 2)


async def test_every_random_damage_is_found_and_named(plant: Plant, tmp_path: Path) -> None:
    await carried_out(plant)
    await seals(plant, tmp_path).add(plant.store)
    length = len(await plant.store.read(STREAM))
    dice = random.Random(4)
    for _ in range(12):
        seq = dice.randint(1, length)
        damage = dice.choice(
            [
                "UPDATE investigation_events SET actor = 'person:eve' WHERE seq = {seq} AND stream = '{stream}'",
                "UPDATE investigation_events SET payload = '{{}}' WHERE seq = {seq} AND stream = '{stream}'",
                "DELETE FROM investigation_events WHERE seq = {seq} AND stream = '{stream}'",
                "UPDATE investigation_events SET timestamp = '2020-01-01 00:00:00.000000' WHERE seq = {seq}"
                " AND stream = '{stream}'",
            ]
        )
        store = await damaged(tmp_path, damage.format(seq=seq, stream=STREAM))
        (broken,) = await store.broken_links()
        assert (broken.stream, broken.seq) == (STREAM, seq), damage
        await store.close()


async def test_an_export_can_be_checked_without_the_database(plant: Plant) -> None:
    await carried_out(plant)
    lines = [audit.as_line(event) async for event in audit.all_events(plant.store)]
    assert len(lines) > 8
    assert audit.broken_line(lines) is None
    assert audit.broken_line([*lines[:3], *lines[4:]]) is not None
    edited = [line.replace("person:UCY", "person:UEVE") for line in lines]
    broken = audit.broken_line(edited)
    assert broken is not None
    assert broken.stream == STREAM, "the place where the name stood"
    assert audit.broken_line(["no json"]) is not None


async def test_csv_holds_every_event_and_no_formula(plant: Plant) -> None:
    one, proposal = plant.process(), await plant.proposed()
    await one.decisions.reject(button_value(proposal), by=CY, reason='=HYPERLINK("http://evil.test")')
    file = io.StringIO()
    audit.write_header(file)
    async for event in audit.all_events(plant.store, stream=STREAM):
        audit.write_row(file, event)
    rows = list(csv.DictReader(io.StringIO(file.getvalue())))
    assert [row["kind"] for row in rows] == ["ProposalMade", "ProposalRejected"]
    assert not any(cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row.values())


async def test_what_was_archived_stays_provable(plant: Plant, tmp_path: Path) -> None:
    await carried_out(plant)
    await seals(plant, tmp_path).add(plant.store)
    before = await plant.store.read(STREAM)
    path = tmp_path / "archive.jsonl"
    plant.clock.ahead = timedelta(days=500)
    args = {"prefix": "proposal/", "older": timedelta(days=400), "clock": plant.clock}
    assert await audit.archive(plant.store, path, **args) == 1  # type: ignore[arg-type]
    assert await audit.archive(plant.store, path, **args) == 0, "once"  # type: ignore[arg-type]
    (left,) = await plant.store.read(STREAM)
    assert left.payload["hash"] == before[-1].hash
    assert await plant.store.broken_links() == []
    assert await seals(plant, tmp_path).broken_links(plant.store) == []
    lines = path.read_text().splitlines()
    assert audit.broken_line(lines) is None
    assert lines == [audit.as_line(event) for event in before]
    assert (await plant.store.proposal("prop_1")).state.value == "succeeded", "the row stays"
    assert await seals(plant, tmp_path).add(plant.store) == 1


async def test_nothing_is_let_go_that_no_snapshot_vouches_for(plant: Plant, tmp_path: Path) -> None:
    await carried_out(plant)
    with pytest.raises(InvalidRequest, match="No snapshot"):
        await plant.store.audit.let_go(STREAM, through=3)
    shutil.rmtree(tmp_path / "apart", ignore_errors=True)
    store = await damaged(tmp_path, f"DELETE FROM investigation_events WHERE stream = '{STREAM}' AND seq < 4")
    assert [link.why for link in await store.broken_links()] == ["an event is missing"]
    await store.close()


async def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with a_plant(tmp_path) as plant:
        await carried_out(plant)
    url = {"database_url": SecretStr(f"sqlite:///{tmp_path}/inquest.db")}
    bare = Settings.model_construct().model_copy(update=url)
    keyed = {"audit_key": SecretStr("k" * 16), "audit_file": tmp_path / "seals.jsonl"}
    settings = bare.model_copy(update=keyed)
    assert await commands.verify(bare) == 0
    assert "no seals" in capsys.readouterr().out
    await commands.seal(settings)
    assert "Sealed 2 chains" in capsys.readouterr().out
    await commands.export(settings, kind="jsonl", stream=None, since=None, out=tmp_path / "all.jsonl")
    assert await commands.verify(settings, export=tmp_path / "all.jsonl") == 0
    await commands.export(settings, kind="csv", stream=STREAM, since=None, out=tmp_path / "one.csv")
    assert (tmp_path / "one.csv").read_text().startswith("stream,seq,at")
    with sqlite3.connect(tmp_path / "inquest.db") as link:
        for statement in CUT:
            link.execute(statement)
    assert await commands.verify(settings) == 1
    assert f"BROKEN  {STREAM}" in capsys.readouterr().out
