"""The store on SQLite: the contract, and what is special about a file that belongs to one process."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from bot.errors import SchemaOutdated, SequenceConflict, StoreBusy
from bot.store import Appended, Store, schema
from tests.store.claims_contract import ClaimsContract
from tests.store.conftest import Opener
from tests.store.forgetting_contract import ForgettingContract
from tests.store.log_contract import LogContract, whole_run
from tests.store.outbox_contract import OutboxContract
from tests.store.samples import created, moved
from tests.store.turns_contract import TurnsContract


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/inquest.db"


class TestLog(LogContract):
    pass


class TestForgetting(ForgettingContract):
    pass


class TestClaims(ClaimsContract):
    pass


class TestOutbox(OutboxContract):
    pass


class TestTurns(TurnsContract):
    pass


async def test_a_second_opening_is_refused_with_a_sentence(store: Store, url: str) -> None:
    with pytest.raises(StoreBusy, match=r"another Inquest process.*PostgreSQL"):
        await Store.open(url)


async def test_a_file_without_tables_is_refused_unless_they_may_be_made(url: str) -> None:
    with pytest.raises(SchemaOutdated, match="inquest release"):
        await Store.open(url)
    await (await Store.open(url, create=True)).close()
    await (await Store.open(url)).close()


async def test_an_unknown_schema_is_refused(store: Store, url: str, tmp_path: Path) -> None:
    await store.close()
    with sqlite3.connect(tmp_path / "inquest.db") as link:
        link.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SchemaOutdated, match=r"newer.*inquest release"):
        await Store.open(url, create=True)


async def test_what_is_no_database_is_refused_with_a_sentence(url: str, tmp_path: Path) -> None:
    (tmp_path / "inquest.db").write_bytes(b"this is a text file, and a long one" * 200)
    with pytest.raises(StoreBusy, match="damaged"):
        await Store.open(url, create=True)


async def test_appends_that_share_a_commit_fail_alone(store: Store) -> None:
    await store.append("investigation/inv_taken", expected_seq=0, events=created())
    streams = ["investigation/inv_taken" if n % 5 == 0 else f"investigation/inv_{n}" for n in range(100)]
    results = await asyncio.gather(
        *(store.append(stream, expected_seq=0, events=created()) for stream in streams), return_exceptions=True
    )
    for stream, result in zip(streams, results, strict=True):
        assert isinstance(result, SequenceConflict if stream.endswith("taken") else Appended)
    assert len(await store.investigations(limit=200)) == 81
    assert await store.broken_links() == []


@pytest.mark.parametrize(
    ("damage", "seq", "why"),
    [
        (
            "UPDATE investigation_events SET payload = replace(payload, 'reasoner', 'person') WHERE seq = 6",
            6,
            "changed",
        ),
        ("UPDATE investigation_events SET actor = 'person:eve' WHERE seq = 2", 2, "changed"),
        ("DELETE FROM investigation_events WHERE seq = 4", 4, "missing"),
        ("DELETE FROM investigation_events WHERE seq >= 9", 9, "should end at"),
        ("UPDATE chain_heads SET hash = 'x'", 11, "not the one recorded"),
        ("DELETE FROM chain_heads", 1, "recorded end is missing"),
        ("DELETE FROM investigation_events", 1, "should end at"),
    ],
)
async def test_damage_to_the_log_is_found(store: Store, tmp_path: Path, damage: str, seq: int, why: str) -> None:
    await whole_run(store)
    assert await store.broken_links() == []
    with sqlite3.connect(tmp_path / "inquest.db") as link:
        link.execute(damage)
    (broken,) = await store.broken_links()
    assert (broken.stream, broken.seq) == ("investigation/inv_1", seq)
    assert why in broken.why


async def test_rows_beside_the_document_can_be_queried(store: Store, tmp_path: Path) -> None:
    await whole_run(store)
    with sqlite3.connect(tmp_path / "inquest.db") as link:
        row = link.execute("SELECT user_id, subject, status, current_phase, seq FROM investigations").fetchone()
        assert row == ("U1", "why is checkout slow?", "running", "analyze", 11)
        phases = link.execute("SELECT name, position, status, duration_ms FROM investigation_phases").fetchall()
        assert phases == [("collect", 3, "completed", 0.0)]
        calls = link.execute("SELECT id, status, evidence_id, duration_ms, agent FROM tool_executions ORDER BY id")
        assert calls.fetchall() == [
            ("ex_1", "succeeded", "ev_1", 1000.0, "reasoner"),
            ("ex_2", "running", None, None, "reasoner"),
        ]
        assert link.execute("SELECT id, kind, component, weight FROM findings").fetchall() == [
            ("f_1", "latency_rose", "app/checkout", 0.7)
        ]
        assert link.execute("SELECT rank, cause, confidence FROM hypotheses").fetchall() == [
            (1, "bad_deployment", 0.81)
        ]
        states = link.execute(
            "SELECT seq, previous_state, new_state FROM investigation_events WHERE new_state IS NOT NULL"
        )
        assert states.fetchall()[:3] == [(1, None, "created"), (2, "created", "queued"), (3, "queued", "initializing")]


_FULL_DISK = """
import asyncio, resource, signal, sys
from bot.errors import StoreBusy
from bot.store import Store
from tests.store.samples import created

async def main(url):
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    store = await Store.open(url, create=True)
    await store.append("investigation/inv_0", expected_seq=0, events=created())
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, resource.RLIM_INFINITY))
    kept = refused = 0
    for n in range(1, 40):
        try:
            await store.append(f"investigation/inv_{n}", expected_seq=0, events=created("x" * 60_000))
            kept += 1
        except StoreBusy as error:
            refused += 1
            assert "disk" in str(error), error
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    await store.append("investigation/inv_after", expected_seq=0, events=created())
    assert kept and refused, (kept, refused)
    assert len(await store.investigations(limit=100)) == kept + 2
    assert await store.broken_links() == []
    await store.close()
    print("held")

asyncio.run(main(sys.argv[1]))
"""


def test_a_full_disk_refuses_and_loses_nothing(url: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _FULL_DISK, url], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "held\n", done.stderr[-3_000:]


async def test_work_goes_on_after_the_process_was_killed(open_store: Opener, url: str) -> None:
    code = (
        "import asyncio, os, signal, sys\n"
        "from bot.store import Store\n"
        "from tests.store.samples import created\n"
        "async def main():\n"
        "    store = await Store.open(sys.argv[1], create=True)\n"
        "    await store.append('investigation/inv_1', expected_seq=0, events=created())\n"
        "    await store.claim_next(worker='w1', lease_s=3600)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(main())\n"
    )
    done = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", code, url], check=False, timeout=60)
    assert done.returncode == -9
    store = await open_store()
    claim = await store.claim_next(worker="w1")
    assert claim is not None
    assert (claim.fence.token, claim.investigation.claims) == (2, 2)
    await store.append("investigation/inv_1", expected_seq=4, events=[moved("running")], fence=claim.fence)


def test_the_tables_of_this_version_are_at_the_head(url: str) -> None:
    schema.upgrade(url)
    assert (schema.current(url), schema.check(url)) == (schema.HEAD, [])
