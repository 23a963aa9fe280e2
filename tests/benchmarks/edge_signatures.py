"""Requests that are not Slack's: thousands of every class at the real door, over real HTTP. None may be let in.

`python -m tests.benchmarks.edge_signatures [--each 10000] [--seed 1] [--out FILE]`
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import hmac
import json
import random
import time
from collections.abc import Callable
from pathlib import Path

import aiohttp

from tests.benchmarks.machine import speed_line
from tests.chaos.node import Options
from tests.chaos.oracles import rows
from tests.chaos.sender import Delivery, mention
from tests.chaos.yard import database, yard

Pairs = list[tuple[str, str]]
Forged = tuple[Pairs, bytes]
Forger = Callable[[Delivery, str, random.Random], Forged]


def _mac(secret: str, stamp: str, body: bytes) -> str:
    return "v0=" + hmac.new(secret.encode(), f"v0:{stamp}:".encode() + body, hashlib.sha256).hexdigest()


def _pairs(stamp: str, signature: str, kind: str = "application/json") -> Pairs:
    return [("Content-Type", kind), ("X-Slack-Request-Timestamp", stamp), ("X-Slack-Signature", signature)]


def _now() -> str:
    return str(int(time.time()))


def wrong_secret(one: Delivery, secret: str, random_: random.Random) -> Forged:
    stamp = _now()
    return _pairs(stamp, _mac(f"{random_.random()}", stamp, one.body)), one.body


def old(one: Delivery, secret: str, random_: random.Random) -> Forged:
    stamp = str(int(time.time()) - random_.randint(302, 100_000))
    return _pairs(stamp, _mac(secret, stamp, one.body)), one.body


def early(one: Delivery, secret: str, random_: random.Random) -> Forged:
    stamp = str(int(time.time()) + random_.randint(310, 100_000))
    return _pairs(stamp, _mac(secret, stamp, one.body)), one.body


def doubled_headers(one: Delivery, secret: str, random_: random.Random) -> Forged:
    stamp = _now()
    good, extra = _pairs(stamp, _mac(secret, stamp, one.body)), random_.choice([1, 2])
    return [*good, good[extra]], one.body


def other_version(one: Delivery, secret: str, random_: random.Random) -> Forged:
    stamp = _now()
    return _pairs(stamp, random_.choice(["v1=", "V0=", "v0:", ""]) + _mac(secret, stamp, one.body)[3:]), one.body


def empty(one: Delivery, secret: str, random_: random.Random) -> Forged:
    stamp, signature = _now(), _mac(secret, _now(), one.body)
    return random_.choice(
        [_pairs(stamp, ""), _pairs("", signature), _pairs(stamp, "v0="), _pairs(stamp, signature)[:2]]
    ), one.body


def changed_body(one: Delivery, secret: str, random_: random.Random) -> Forged:
    stamp = _now()
    at = random_.randrange(len(one.body))
    changes = [one.body + b"\n", one.body + b" ", one.body[:-1], one.body[:at] + b"x" + one.body[at:]]
    return _pairs(stamp, _mac(secret, stamp, one.body)), random_.choice(changes)


def changed_time(one: Delivery, secret: str, random_: random.Random) -> Forged:
    stamp = _now()
    shown = random_.choice([str(int(stamp) - random_.randint(1, 200)), f"+{stamp}", f"0{stamp}", f"{stamp}.0"])
    return _pairs(shown, _mac(secret, stamp, one.body)), one.body


def re_encoded(one: Delivery, secret: str, random_: random.Random) -> Forged:
    stamp = _now()
    body = json.dumps(json.loads(one.body), indent=random_.randint(0, 4)).encode()
    return _pairs(stamp, _mac(secret, stamp, one.body)), body


CLASSES: tuple[Forger, ...] = (
    wrong_secret, old, early, doubled_headers, other_version, empty, changed_body, changed_time, re_encoded,
)  # fmt: skip


async def measure(*, each: int, seed: int) -> dict[str, dict[str, int]]:
    """Statuses by class; `stored` counts what the database holds afterwards."""
    found: dict[str, dict[str, int]] = {}
    async with yard() as made, database("postgresql", made.folder) as (url, _):
        node = made.place("web0", Options(database=url, parts=["web"], publish=False))
        await made.start(node)
        async with aiohttp.ClientSession() as session:
            for forge in CLASSES:
                found[forge.__name__] = await _one_class(
                    session, node.url, forge, (each, seed, str(made.slack["signing_secret"]))
                )
        found["all"] = {"stored": int((await rows(url, "SELECT count(*) FROM investigations"))[0][0])}
    return found


async def _one_class(
    session: aiohttp.ClientSession, url: str, forge: Forger, order: tuple[int, int, str]
) -> dict[str, int]:
    each, seed, secret = order
    random_, statuses = random.Random(seed), dict[str, int]()
    left = iter(range(each))

    async def lane() -> None:
        for n in left:
            pairs, body = forge(mention(f"Ev{forge.__name__}{n}", number=n), secret, random_)
            async with session.post(url + "/slack/events", data=body, headers=pairs) as got:
                statuses[str(got.status)] = statuses.get(str(got.status), 0) + 1

    await asyncio.gather(*(lane() for _ in range(16)))
    return statuses


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--each", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    print(speed_line())
    found = asyncio.run(measure(each=given.each, seed=given.seed))
    for name, statuses in found.items():
        print(f"{name:<18}", statuses)
    if given.out:
        given.out.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
