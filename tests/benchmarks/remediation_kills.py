"""`python -m tests.benchmarks.remediation_kills [--kills 100]`: kill -9 between a write to Kubernetes and its record.

Each round: a proposal is made, approved and carried out by a process that is killed, at a named point or at a random
moment of the write; then another process takes over. Counted on the API server's own audit log: writes that were sent
for each proposal. Measured: how long a proposal stays without a known outcome once a process is there and the target
answers. In a tenth of the rounds nothing else goes on; in half of those the API server is silent (SIGSTOP) for a while
when the second process starts.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

from tests.cluster.changing import deployment
from tests.cluster.kill_node import POINTS, Order, main
from tests.support.servers import ClusterServer

# Imported once in the process that forks the others; what this module needs too, for each child runs its body again.
_PRELOADED = ["tests.cluster.kill_node", "tests.cluster.changing", "tests.support.servers", "pytest"]
_AFTER_WRITE = ("before ToolFinished", "before ExecutionFinished")
_MIXED = tuple(one for point in POINTS for one in ("", point))  # empty: at a random moment, from outside
_SILENT_S = 3.0
_MOST_S = 60.0
_ROOT = Path(__file__).parents[2]


@dataclass
class Tally:
    """What came out of the rounds."""

    ends: Counter[str] = field(default_factory=Counter)
    killed: Counter[str] = field(default_factory=Counter)
    sent: int = 0
    written: int = 0
    twice: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    unknown_s: list[float] = field(default_factory=list)
    late: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        worst, usual = max(self.unknown_s, default=0.0), statistics.median(self.unknown_s or [0.0])
        return [
            f"rounds {sum(self.ends.values())}, killed: {dict(sorted(self.killed.items()))}",
            f"ends: {dict(sorted(self.ends.items()))}; sent: {self.sent}, written: {self.written}",
            f"sent twice: {len(self.twice)} {self.twice[:5]}",
            f"outcome other than the target's: {len(self.wrong)} {self.wrong[:5]}",
            f"outcome known after the target answers: median {usual:.1f} s, worst {worst:.1f} s; "
            f"unknown after {_MOST_S:.0f} s: {len(self.late)} {self.late[:5]}",
        ]


class Kills:
    """Rounds against one cluster, in lanes that each have a store and a Deployment of their own."""

    def __init__(
        self, cluster: ClusterServer, folder: Path, *, namespace: str, seed: int, points: Sequence[str]
    ) -> None:
        self._cluster, self._folder, self._namespace, self._seed = cluster, folder, namespace, seed
        self._points = points
        self._token = cluster.token("inquest", "inquest")
        self._context: ForkServerContext = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(_PRELOADED)
        self.tally = Tally()

    def lane(self, lane: int, rounds: int, *, silences: bool) -> None:
        """Rounds one after another. Only one lane may silence the server, which it shares with the others."""
        name, chance = f"lane-{lane}", random.Random(f"{self._seed}/{lane}")
        self._cluster.client.apply(deployment(name, "registry.example.com/lane:1.0.0", replicas=1,
                                              namespace=self._namespace))  # fmt: skip
        self._cluster.until(lambda: self._cluster.rolled_out(self._namespace, name), what=f"the rollout of {name}")
        for number in range(rounds):
            order = Order(
                database=str(self._folder / f"{name}.db"), url=self._cluster.url, token=self._token,
                ca_file=self._cluster.ca_file, namespace=self._namespace, deployment=name, round=number, carry=True,
                die=self._points[number % len(self._points)],
            )  # fmt: skip
            died = self._carry(order, chance)
            self.tally.killed[(order.die or "at random") if died else "not (it was done before)"] += 1
            began = time.time()
            silent = self._silence() if silences and number % 2 else 0.0
            self._judge(order, *self._recover(order.model_copy(update={"carry": False, "die": ""})), began + silent)

    def _carry(self, order: Order, chance: random.Random) -> bool:
        """Whether the process was killed before it had an outcome."""
        here, there = self._context.Pipe()
        process = self._context.Process(target=main, args=(order.model_dump_json(), there), daemon=True)
        process.start()
        there.close()
        finished = False
        try:
            while here.poll(_MOST_S):
                said = here.recv()
                if said == "intent" and not order.die:
                    time.sleep(10 ** chance.uniform(-3.0, 0.0))  # 1 ms to 1 s, as many short as long
                    break
                finished = isinstance(said, dict)
        except EOFError:
            pass  # it is dead, as ordered
        process.kill()
        process.join()
        return not finished

    def _recover(self, order: Order) -> tuple[str, float]:
        """State and time when another process knew the outcome."""
        here, there = self._context.Pipe()
        process = self._context.Process(target=main, args=(order.model_dump_json(), there), daemon=True)
        process.start()
        there.close()
        said: Any = here.recv() if here.poll(2 * _MOST_S) else {"state": "unknown", "at": time.time()}
        process.join(10)
        if process.is_alive():
            process.kill()
            process.join()
        return said["state"], said["at"]

    def _silence(self) -> float:
        """Stop the API server for a while, in the background; how long."""
        pid = self._cluster.pid_of("kube-apiserver")
        os.kill(pid, signal.SIGSTOP)

        def wake() -> None:
            time.sleep(_SILENT_S)
            os.kill(pid, signal.SIGCONT)

        ThreadPoolExecutor(1).submit(wake)
        return _SILENT_S

    def _judge(self, order: Order, state: str, known_at: float, answers_at: float) -> None:
        tally, key = self.tally, order.proposal
        # A conflict is the server's word that nothing was done. A timeout is not: the write may have been carried out.
        records = self._cluster.writes_sent(key)
        sent = [entry for entry in records if entry.get("responseStatus", {}).get("code") != 409]
        found = self._cluster.client.get("deployments", order.deployment, self._namespace)
        value = found["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"]
        done = value == str(1_000 + order.round)
        tally.ends[state] += 1
        tally.sent += len(sent)
        tally.written += done
        took = max(0.0, known_at - answers_at)
        tally.unknown_s.append(took)
        if len(sent) > 1:
            tally.twice.append(key)
        if (done and not sent) or done != (state in ("verifying", "succeeded")):
            tally.wrong.append(f"{key}: {state}, written {done}, sent {len(sent)}")
        if took > _MOST_S or state == "unknown":
            tally.late.append(key)
        if sum(tally.ends.values()) % 20 == 0:
            print("so far:", *tally.lines(), sep="\n  ", file=sys.stderr, flush=True)


def prepared(cluster: ClusterServer, namespace: str) -> None:
    """The account and its roles from `deploy/`, bound in the namespace."""
    import yaml

    cluster.client.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    for manifest in ("rbac.yaml", "rbac-changes.yaml"):
        for document in yaml.safe_load_all((_ROOT / "deploy" / manifest).read_text(encoding="utf-8")):
            cluster.client.apply(document)


def trial(
    cluster: ClusterServer,
    *,
    kills: int,
    lanes: int,
    seed: int,
    namespace: str = "shop",
    points: Sequence[str] = _MIXED,
) -> Tally:
    """`kills` rounds spread over lanes; the last lane alone has the silences, after the others are done."""
    with tempfile.TemporaryDirectory() as folder:
        rounds = Kills(cluster, Path(folder), namespace=namespace, seed=seed, points=points)
        quiet = kills // 10 if kills >= 20 else 0
        shares = [(kills - quiet) // lanes + (1 if n < (kills - quiet) % lanes else 0) for n in range(lanes)]
        with ThreadPoolExecutor(lanes) as pool:
            for future in [pool.submit(rounds.lane, n, share, silences=False) for n, share in enumerate(shares)]:
                future.result()
        if quiet:
            rounds.lane(lanes, quiet, silences=True)
        return rounds.tally


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--lanes", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--after-write", action="store_true", help="only where the write was answered already")
    return parser.parse_args()


if __name__ == "__main__":
    given = _arguments()
    started = time.monotonic()
    server = ClusterServer(nodes=1)
    try:
        prepared(server, "shop")
        wanted = _AFTER_WRITE if given.after_write else _MIXED
        for line in trial(server, kills=given.kills, lanes=given.lanes, seed=given.seed, points=wanted).lines():
            print(line)
        print(f"{time.monotonic() - started:.0f} s, load {os.getloadavg()[0]:.1f}")
    finally:
        server.stop()
