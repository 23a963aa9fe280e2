"""What a shop's services would report of themselves: requests and times of every ready pod, by the image it runs.

Checkout calls the payment service. How a pod answers follows from its image alone, and which pods there are is read
from the cluster, so that the symptom goes when, and only when, the rollout is really undone.
"""

from __future__ import annotations

import contextlib
import math
import random
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.support.servers import ClusterServer

BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
PAYMENT, CHECKOUT = "payment-service", "checkout"
_RATE = 40.0
_STEP_S = 15
Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Manner:
    """How one release answers."""

    failing: float
    median_s: float


GOOD, BAD = Manner(0.002, 0.04), Manner(0.22, 0.9)


@dataclass(frozen=True)
class Pod:
    """A ready pod."""

    service: str
    name: str
    manner: Manner


class Traffic:
    """Counters of all pods. `bad` is the image of the release that is broken."""

    def __init__(self, cluster: ClusterServer, *, namespace: str, bad: str, seed: int = 1) -> None:
        self._cluster, self._namespace, self._bad = cluster, namespace, bad
        self._random = random.Random(seed)
        self._counters: dict[tuple[str, Labels], float] = defaultdict(float)
        self._lock, self._ended = threading.Lock(), threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.port = self._server.server_address[1]
        self._threads = [threading.Thread(target=self._server.serve_forever, daemon=True),
                         threading.Thread(target=self._live, daemon=True)]  # fmt: skip

    def history(self, hours: float) -> str:
        """OpenMetrics text of the time until now, in the manner of the pods that there are; counters go on from it."""
        rows: dict[str, list[str]] = defaultdict(list)
        pods, now = self._pods(), time.time()
        for at in range(int(now - hours * 3600), int(now), _STEP_S):
            self._pass(pods, _STEP_S, at)
            for (name, labels), value in self._counters.items():
                rows[name].append(f"{name}{{{_text(labels)}}} {value:.3f} {at}")
        return "\n".join(_families({name: _by_series(lines) for name, lines in rows.items()})) + "\n# EOF\n"

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()
        for thread in self._threads:
            thread.join(5)

    def _live(self) -> None:
        last = time.time()
        while not self._ended.wait(1.0):
            pods, now = self._pods(), time.time()
            with self._lock:
                self._forget({pod.name for pod in pods})
                self._pass(pods, now - last, now)
            last = now

    def _pods(self) -> list[Pod]:
        """Ready pods, as the cluster has them now."""
        found = []
        for pod in self._cluster.client.list("pods", self._namespace):
            ready = [c for c in pod.get("status", {}).get("conditions", []) if c["type"] == "Ready"]
            if not ready or ready[0]["status"] != "True" or "deletionTimestamp" in pod["metadata"]:
                continue
            manner = BAD if pod["spec"]["containers"][0]["image"] == self._bad else GOOD
            found.append(Pod(pod["metadata"]["labels"]["app"], pod["metadata"]["name"], manner))
        return found

    def _forget(self, names: set[str]) -> None:
        """Counters of pods that are gone are not scraped any more."""
        gone = [key for key in self._counters if dict(key[1])["pod"] not in names]
        for key in gone:
            del self._counters[key]

    def _pass(self, pods: list[Pod], seconds: float, at: float) -> None:
        """Let time pass: every pod answers its share."""
        payment = [pod for pod in pods if pod.service == PAYMENT]
        checkout = [pod for pod in pods if pod.service == CHECKOUT]
        if not payment or not checkout:
            return
        wave = _RATE * seconds * (1 + 0.1 * math.sin(at / 900)) * self._random.uniform(0.95, 1.05)
        for pod in payment:
            self._answer("http_request", pod, wave / len(payment), pod.manner, {})
        for pod in checkout:
            for callee in payment:
                share = wave / len(checkout) / len(payment)
                self._answer("http_client_request", pod, share, callee.manner, {"target": PAYMENT})
                own = Manner(callee.manner.failing * 0.9 + 0.001, callee.manner.median_s + 0.02)
                self._answer("http_request", pod, share, own, {})

    def _answer(self, family: str, pod: Pod, count: float, manner: Manner, more: dict[str, str]) -> None:
        base = {"service": pod.service, "namespace": self._namespace, "pod": pod.name, "job": "shop",
                "instance": pod.name, **more}  # fmt: skip
        failing = min(1.0, manner.failing * self._random.uniform(0.8, 1.2))
        for status, part in (("200", 1 - failing), ("500", failing)):
            self._add(f"{family}s_total", {**base, "route": "/", "method": "POST", "status": status}, count * part)
        median = manner.median_s * self._random.uniform(0.93, 1.07)
        for bound in BOUNDS:
            share = 0.5 * (1 + math.erf(math.log(bound / median) / (0.5 * math.sqrt(2))))
            self._add(f"{family}_duration_seconds_bucket", {**base, "le": str(bound)}, count * share)
        self._add(f"{family}_duration_seconds_bucket", {**base, "le": "+Inf"}, count)
        self._add(f"{family}_duration_seconds_sum", base, count * median * 1.13)
        self._add(f"{family}_duration_seconds_count", base, count)

    def _add(self, name: str, labels: dict[str, str], amount: float) -> None:
        self._counters[name, tuple(sorted(labels.items()))] += amount

    def _page(self) -> str:
        with self._lock:
            held = dict(self._counters)
        rows: dict[str, list[str]] = defaultdict(list)
        for (name, labels), value in held.items():
            rows[name].append(f"{name}{{{_text(labels)}}} {value:.3f}")
        return "\n".join(_families(rows)) + "\n"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        traffic = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = traffic._page().encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                with contextlib.suppress(BrokenPipeError):  # the scraper waited too long
                    self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Not a word on the terminal."""

        return Handler


def _text(labels: Labels) -> str:
    return ",".join(f'{key}="{value}"' for key, value in labels)


def _by_series(lines: list[str]) -> list[str]:
    """Samples of one series together, in order of time, as OpenMetrics wants them."""
    return sorted(lines, key=lambda line: (line.rpartition("}")[0], int(line.rpartition(" ")[2])))


def _families(rows: dict[str, list[str]]) -> Iterator[str]:
    """With the TYPE lines: counters by their stem, the three parts of a histogram as one family."""
    for stem in sorted({name.rpartition("_")[0] for name in rows}):
        parts = [part for part in ("total", "bucket", "count", "sum") if f"{stem}_{part}" in rows]
        yield f"# TYPE {stem} {'histogram' if 'bucket' in parts else 'counter'}"
        for part in parts:
            yield from rows[f"{stem}_{part}"]
