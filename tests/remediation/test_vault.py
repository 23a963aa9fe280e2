"""Masked values that may be read back: sealed, for few, and every try recorded."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from bot.cli import audit as commands
from bot.domain.access import Principal, Role
from bot.domain.authority import Policy
from bot.domain.events import EventKind
from bot.errors import InvalidConfiguration, InvalidRequest, NotAllowed
from bot.remedies import make_vault
from bot.services.policy import AccessFile, Roles
from bot.services.vault import STREAM, Unmasking, Vault
from bot.settings import Settings
from connectors.redaction import redact_text, set_value_keeper
from tests.remediation.making import BO, CY, GUS
from tests.remediation.plant import Plant, a_plant

KEY = b"a key of the vault"
MAIL = "jane.doe@shop.example.com"
TEXT = f"login of {MAIL} failed with AKIAIOSFODNN7ABCDEFG"


@pytest.fixture
async def plant(tmp_path: Path) -> AsyncIterator[Plant]:
    async with a_plant(tmp_path) as made:
        yield made


@pytest.fixture(autouse=True)
def nobody_listens() -> Iterator[None]:
    yield
    set_value_keeper(None)


def vault(plant: Plant, key: bytes = KEY, *, kinds: tuple[str, ...] = ("email",), workspace: str = "default") -> Vault:
    return Vault(store=plant.store, key=key, kinds=kinds, workspace=workspace, clock=plant.clock)


def unmasking(plant: Plant, opened: Vault) -> Unmasking:
    return Unmasking(store=plant.store, vault=opened, roles=plant.roles, clock=plant.clock)


async def masked(plant: Plant) -> tuple[str, Vault]:
    """The placeholder of the address, and the vault that kept it."""
    kept = vault(plant)
    set_value_keeper(kept.keep)
    text = redact_text(TEXT)
    set_value_keeper(None)
    assert await kept.flush() == 1, "the key is of a kind that is not kept"
    assert MAIL not in text
    return text.split()[2], kept


async def test_what_policy_names_is_read_back_and_recorded(plant: Plant) -> None:
    placeholder, kept = await masked(plant)
    assert await unmasking(plant, kept).values(placeholder, reason="the customer asked", by=BO) == [MAIL]
    (event,) = await plant.store.read(STREAM)
    assert (event.kind, event.actor) == (EventKind.VALUE_UNMASKED, BO.actor)
    assert event.payload == {"placeholder": placeholder, "reason": "the customer asked", "values": 1}


@pytest.mark.parametrize("by", [CY, GUS, BO.model_copy(update={"guest": True})])
async def test_who_may_not_learns_nothing_and_is_recorded(plant: Plant, by: Principal) -> None:
    placeholder, kept = await masked(plant)
    with pytest.raises(NotAllowed, match="needs the role admin"):
        await unmasking(plant, kept).values(placeholder, reason="curious", by=by)
    assert [event.kind for event in await plant.store.read(STREAM)] == [EventKind.REFUSED]


async def test_no_reason_or_no_placeholder_gives_nothing(plant: Plant) -> None:
    placeholder, kept = await masked(plant)
    with pytest.raises(InvalidRequest, match="Say why"):
        await unmasking(plant, kept).values(placeholder, reason="  ", by=BO)
    with pytest.raises(InvalidRequest, match="no placeholder"):
        await unmasking(plant, kept).values(f"{placeholder} and more", reason="x", by=BO)


async def test_the_store_holds_nothing_that_can_be_read(plant: Plant, tmp_path: Path) -> None:
    placeholder, _ = await masked(plant)
    everything = b"".join(path.read_bytes() for path in tmp_path.glob("inquest.db*"))
    assert placeholder.encode() in everything
    assert MAIL.encode() not in everything
    assert await vault(plant, b"another key of a vault").values(placeholder) == []
    assert await vault(plant, workspace="other").values(placeholder) == []


async def test_a_value_moved_to_another_placeholder_does_not_open(plant: Plant, tmp_path: Path) -> None:
    _, kept = await masked(plant)
    with sqlite3.connect(tmp_path / "inquest.db") as link:
        link.execute("UPDATE masked_values SET placeholder = '[personal:email:000000]'")
    assert await kept.values("[personal:email:000000]") == []


async def test_the_same_value_is_kept_once_and_goes_with_time(plant: Plant) -> None:
    placeholder, kept = await masked(plant)
    kept.keep(placeholder, "email", MAIL)
    assert await kept.flush() == 0
    fresh = vault(plant)
    fresh.keep(placeholder, "email", MAIL)
    await fresh.flush()
    assert await fresh.values(placeholder) == [MAIL]
    assert await plant.store.masked.forget(plant.clock.now() + timedelta(days=1)) == 1
    assert await fresh.values(placeholder) == []


async def test_a_flood_and_a_long_value_are_left_out(plant: Plant) -> None:
    kept = vault(plant)
    for number in range(10_050):
        kept.keep(f"[personal:email:{number:06x}]", "email", f"user{number}@example.com")
    kept.keep("[personal:email:ffffff]", "email", "x" * 5_000)
    assert await kept.flush() == 10_000


def test_nothing_is_kept_unless_policy_and_key_say_so(plant: Plant) -> None:
    keyed = Settings.model_construct().model_copy(update={"vault_key": SecretStr("k" * 16)})
    naming = AccessFile(policy=Policy(reversible=frozenset({"email"})))
    for settings, access in ((keyed, AccessFile()), (Settings.model_construct(), naming)):
        roles = Roles(store=plant.store, access=access, squads=())
        assert make_vault(settings, roles, plant.store, plant.clock) is None
    assert make_vault(keyed, Roles(store=plant.store, access=naming, squads=()), plant.store, plant.clock)
    with pytest.raises(InvalidConfiguration, match="no kind 'emails'"):
        vault(plant, kinds=("emails",))
    assert Policy().unmask is Role.ADMIN


async def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with a_plant(tmp_path) as plant:
        placeholder, _ = await masked(plant)
    (tmp_path / "access.yaml").write_text("policy: {reversible: [email]}\nroles: {admin: [UBO]}\n")
    settings = Settings.model_construct().model_copy(
        update={
            "database_url": SecretStr(f"sqlite:///{tmp_path}/inquest.db"),
            "access_file": tmp_path / "access.yaml",
            "sources_file": tmp_path / "none.yaml",
            "vault_key": SecretStr(KEY.decode()),
        }
    )
    with pytest.raises(NotAllowed, match="cli:"):
        await commands.unmask(settings, placeholder, reason="a test")
    me = str(commands.operator().id)
    (tmp_path / "access.yaml").write_text(f"policy: {{reversible: [email]}}\nroles: {{admin: ['{me}']}}\n")
    await commands.unmask(settings, placeholder, reason="a test")
    assert capsys.readouterr().out.strip() == MAIL
