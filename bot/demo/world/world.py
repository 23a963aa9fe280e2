"""The world: one incident (or none) on loopback backends that tell one story in their own wire formats."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from bot.demo.world.cluster import Cluster, Workload
from bot.demo.world.configuration import kubeconfig, sources
from bot.demo.world.elasticsearch import ElasticsearchServer
from bot.demo.world.journal import Journal
from bot.demo.world.kubernetes import KubernetesServer
from bot.demo.world.loopback import Loopback, serve
from bot.demo.world.plan import Plan, Truth, make_plan, url_variable
from bot.demo.world.postgres import Database, PostgresEndpoint
from bot.demo.world.prometheus import PrometheusServer
from bot.demo.world.prometheus_store import SeriesStore
from bot.demo.world.story import Story

_CURE_DELAY_S = 5.0


@dataclass(frozen=True)
class Endpoints:
    """Where the backends listen; `postgres` is None where no server could be started."""

    prometheus_url: str
    elasticsearch_url: str
    elasticsearch_password: str
    kubernetes_url: str
    kubeconfig_path: Path
    postgres: PostgresEndpoint | None


class World:
    """One scenario from one seed; time starts at `now` and moves with the wall clock."""

    def __init__(self, scenario: str, seed: int, now: datetime, directory: Path, *, with_postgres: bool = True) -> None:
        self.plan: Plan = make_plan(scenario, seed, now)
        self.directory = directory
        self.cluster = Cluster(self.plan)
        self.story = Story(self.plan, self.cluster)
        self.journal = Journal(self.story, self.cluster)
        self._began = time.monotonic()
        self._secrets = random.SystemRandom()
        self._servers: list[Loopback] = []
        self._database = Database(self.plan, directory / "postgres", released=self._recover, failing=self._failing)
        self._with_postgres = with_postgres
        self._endpoints: Endpoints | None = None

    @property
    def truth(self) -> Truth:
        """The answer; only tests and benchmarks may read it."""
        return self.plan.truth

    @property
    def question(self) -> str:
        """What a person of this world would ask."""
        return self.plan.question

    @property
    def endpoints(self) -> Endpoints:
        """Where the backends listen; known after `start`."""
        if self._endpoints is None:
            raise RuntimeError("the world has not been started")
        return self._endpoints

    def clock(self) -> float:
        """The world's present moment, epoch seconds."""
        return self.plan.now.timestamp() + time.monotonic() - self._began

    async def start(self) -> None:
        """Start all backends; the database comes up in a thread meanwhile."""
        self._began = time.monotonic()
        self.directory.mkdir(parents=True, exist_ok=True)
        database = asyncio.create_task(self._start_database())
        try:
            await self._start(database)
        except BaseException:
            database.cancel()
            await asyncio.gather(database, return_exceptions=True)
            await self.stop()
            raise

    async def _start_database(self) -> PostgresEndpoint | None:
        return await self._database.start() if self._with_postgres else None

    async def _start(self, database: asyncio.Task[PostgresEndpoint | None]) -> None:
        password, token = self._secret(), self._secret()
        prometheus = PrometheusServer(SeriesStore(self.story, self.clock), self.clock)
        elastic = ElasticsearchServer(self.journal, self.clock, mode=self.plan.elasticsearch_mode, password=password)
        kubernetes = KubernetesServer(self.cluster, self.journal, self.clock, token=token, changed=self._changed)
        self.journal.until(self.clock())
        for server in (prometheus, elastic, kubernetes):
            self._servers.append(await serve(server.app()))
        urls = [server.url for server in self._servers]
        path = self.directory / "kubeconfig"
        path.write_text(kubeconfig(urls[2], token), encoding="utf-8")
        path.chmod(0o600)
        self._endpoints = Endpoints(
            prometheus_url=urls[0],
            elasticsearch_url=urls[1],
            elasticsearch_password=password,
            kubernetes_url=urls[2],
            kubeconfig_path=path,
            postgres=await database,
        )

    async def stop(self) -> None:
        """Stop everything that `start` started."""
        await asyncio.gather(*(server.stop() for server in self._servers))
        self._servers.clear()
        await self._database.stop()

    def sources_yaml(self) -> str:
        """Text for `config/sources.yaml` that points at these backends."""
        ends = self.endpoints
        return sources(
            prometheus_url=ends.prometheus_url,
            elasticsearch_url=ends.elasticsearch_url,
            elasticsearch_password=ends.elasticsearch_password,
            kubeconfig_path=ends.kubeconfig_path,
            postgres=ends.postgres,
        )

    def _secret(self) -> str:
        return f"{self._secrets.getrandbits(128):032x}"

    def _recover(self) -> None:
        self.story.recover(self.clock() + _CURE_DELAY_S)

    def _failing(self) -> float:
        return self.story.failing("payment-service", self.clock())

    def _changed(self, workload: Workload, change: str) -> None:
        """Redraw the story after a patch, and let the trouble end if the patch removes its cause."""
        self.story.extend(self.clock())
        if self._cures(workload, change):
            self._recover()
            self._database.release()
        self.story.change()

    def _cures(self, workload: Workload, change: str) -> bool:
        plan, name = self.plan, workload.service.name
        if plan.fault == "traffic_surge":
            grown = workload.replicas >= 2 * workload.service.replicas
            return change == "scale" and name == plan.dependency and grown
        if name != plan.target or change == "delete_pod":
            return False
        release = plan.bad_release
        if plan.fault == "bad_deployment":
            return release is not None and workload.current.version != release.version
        if plan.fault == "config_change":
            variable = url_variable(plan.dependency)
            bad = release.environment[variable] if release else None
            return workload.current.variable(variable) != bad
        if plan.fault == "memory_leak":
            return change == "roll_out"
        return plan.fault == "dependency_slow"
