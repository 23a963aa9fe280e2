"""What happens in one world: scenario, onset, magnitudes and decoys, all drawn from one seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot.demo.world.topology import SERVICES, callers

AUTHORS = ("a.okafor", "m.lindqvist", "j.tanaka", "r.costa", "s.haddad", "p.novak")


@dataclass(frozen=True)
class ScenarioInfo:
    """One line about a scenario, and a question a person could type about it."""

    description: str
    question: str


SCENARIOS: Mapping[str, ScenarioInfo] = {
    "bad_deployment": ScenarioInfo(
        "A release of payment-service uses up its database connections; checkout gets slow.",
        "why is checkout slow since 10 minutes?",
    ),
    "database_lock": ScenarioInfo(
        "One long transaction in payment_db blocks the others; payments wait.",
        "why is checkout slow since 10 minutes?",
    ),
    "memory_leak": ScenarioInfo(
        "Pods of one service grow until they are killed for memory, again and again.",
        "why does the frontend return errors since 10 minutes?",
    ),
    "dependency_slow": ScenarioInfo(
        "A service deep in the graph runs out of processor time; its callers get slow.",
        "why is the frontend slow since 10 minutes?",
    ),
    "traffic_surge": ScenarioInfo(
        "Four times the usual requests arrive at the edge; nothing was changed.",
        "why is the frontend slow since 10 minutes?",
    ),
    "config_change": ScenarioInfo(
        "A changed setting points one service at an address that does not answer.",
        "why does the frontend return errors since 10 minutes?",
    ),
    "healthy": ScenarioInfo(
        "Nothing is wrong; a harmless release and a small blip try to look guilty.",
        "is checkout slow since 10 minutes?",
    ),
    "missing_source": ScenarioInfo(
        "The bad release again, while Elasticsearch does not answer.",
        "why is checkout slow since 10 minutes?",
    ),
}


@dataclass(frozen=True)
class Release:
    """One deployment that the plan makes: image and settings before and after."""

    service: str
    at: datetime
    previous_version: str
    version: str
    author: str
    environment: Mapping[str, str]
    cause: str
    announced: bool = True


@dataclass(frozen=True)
class Blip:
    """A short rise of one service's load on the processor that means nothing."""

    service: str
    at: datetime
    duration_s: float
    factor: float


@dataclass(frozen=True)
class Truth:
    """The answer, for tests and benchmarks only; nothing of the product may read it."""

    component: str | None
    cause: str
    onset: datetime | None
    decoys: tuple[str, ...]
    also_accepted: tuple[tuple[str, str], ...] = ()
    missing_sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """The script of a world; `strength` and `share` are read by each fault in its own way."""

    scenario: str
    seed: int
    now: datetime
    target: str
    onset: datetime | None
    rise_s: float
    strength: float
    share: float
    dependency: str
    fault: str
    releases: tuple[Release, ...]
    blip: Blip
    versions: Mapping[str, str]
    revisions: Mapping[str, int]
    question: str
    elasticsearch_mode: str
    truth: Truth

    @property
    def bad_release(self) -> Release | None:
        """The release that started the trouble, if a release did."""
        guilty = self.fault in {"bad_deployment", "config_change"}
        return next((r for r in self.releases if guilty and r.service == self.target), None)


Draft = Callable[[random.Random, Plan], Plan]


def make_plan(scenario: str, seed: int, now: datetime) -> Plan:
    """Draw the whole script; the same three arguments give the same plan."""
    if scenario not in SCENARIOS:
        raise ValueError(f"unknown scenario {scenario!r}; known: {', '.join(SCENARIOS)}")
    if now.tzinfo is None:
        raise ValueError("now must be an aware datetime")
    dice = random.Random(f"{scenario}/{seed}")
    plan = _DRAFTS[scenario](dice, _blank(scenario, seed, now, dice))
    plan = _with_decoys(dice, plan)
    return replace(plan, truth=_truth(plan))


def _blank(scenario: str, seed: int, now: datetime, dice: random.Random) -> Plan:
    onset = now - timedelta(seconds=round(dice.uniform(6.2, 11.8) * 60))
    versions = {name: f"{dice.randint(1, 4)}.{dice.randint(0, 12)}.{dice.randint(0, 9)}" for name in SERVICES}
    return Plan(
        scenario=scenario,
        seed=seed,
        now=now,
        target="",
        onset=onset,
        rise_s=dice.uniform(45, 90),
        strength=dice.uniform(0.8, 1.2),
        share=dice.uniform(0.25, 0.45),
        dependency="",
        fault=scenario,
        releases=(),
        blip=Blip(service="", at=now, duration_s=0, factor=1),
        versions=versions,
        revisions={name: dice.randint(7, 60) for name in SERVICES},
        question=SCENARIOS[scenario].question,
        elasticsearch_mode="ok",
        truth=Truth(component=None, cause="no_fault_found", onset=None, decoys=()),
    )


def next_version(version: str, dice: random.Random) -> str:
    """A plausible later version: a patch most of the time, else a minor one."""
    major, minor, patch = (int(part) for part in version.split("."))
    return f"{major}.{minor}.{patch + 1}" if dice.random() < 0.6 else f"{major}.{minor + 1}.0"


def _release(plan: Plan, service: str, at: datetime, dice: random.Random, *, cause: str = "") -> Release:
    before = plan.versions[service]
    after = next_version(before, dice)
    return Release(
        service=service,
        at=at,
        previous_version=before,
        version=after,
        author=dice.choice(AUTHORS),
        environment={},
        cause=cause or f"release {after}",
    )


def _onset(plan: Plan) -> datetime:
    assert plan.onset is not None
    return plan.onset


def _bad_deployment(dice: random.Random, plan: Plan) -> Plan:
    at = _onset(plan) - timedelta(seconds=dice.uniform(50, 170))
    release = _release(plan, "payment-service", at, dice)
    return replace(plan, target="payment-service", fault="bad_deployment", releases=(release,))


def _missing_source(dice: random.Random, plan: Plan) -> Plan:
    mode = ("unavailable", "hang", "unauthorized")[plan.seed % 3]
    return replace(_bad_deployment(dice, plan), elasticsearch_mode=mode)


def _database_lock(dice: random.Random, plan: Plan) -> Plan:
    return replace(plan, target="payment-service", rise_s=dice.uniform(20, 60))


def _memory_leak(dice: random.Random, plan: Plan) -> Plan:
    target = dice.choice(("cart-service", "user-service", "inventory-service", "shipping-service"))
    return _asked_about(replace(plan, target=target), "why does {} return errors since 10 minutes?")


def _dependency_slow(dice: random.Random, plan: Plan) -> Plan:
    target = dice.choice(("inventory-service", "shipping-service", "user-service"))
    plan = replace(plan, target=target, strength=dice.uniform(30, 50))
    return _asked_about(plan, "why is {} slow since 10 minutes?")


def _asked_about(plan: Plan, question: str) -> Plan:
    symptom = "checkout-api" if "checkout-api" in callers(plan.target) else callers(plan.target)[0]
    return replace(plan, question=question.format(symptom))


def _traffic_surge(dice: random.Random, plan: Plan) -> Plan:
    plan = replace(plan, target="frontend", dependency="checkout-api", strength=dice.uniform(3.6, 4.4))
    return replace(plan, rise_s=dice.uniform(60, 120))


def _config_change(dice: random.Random, plan: Plan) -> Plan:
    target, dependency = dice.choice(
        (
            ("checkout-api", "inventory-service"),
            ("checkout-api", "shipping-service"),
            ("checkout-api", "payment-service"),
            ("cart-service", "inventory-service"),
        )
    )
    broken = dice.choice((f"http://{dependency}:8081", f"http://{dependency}-v2:8080"))
    version = plan.versions[target]
    release = Release(
        service=target,
        at=_onset(plan) - timedelta(seconds=dice.uniform(20, 60)),
        previous_version=version,
        version=version,
        author=dice.choice(AUTHORS),
        environment={url_variable(dependency): broken},
        cause=f"update {url_variable(dependency)}",
        announced=False,
    )
    plan = replace(plan, target=target, dependency=dependency, releases=(release,), share=dice.uniform(0.7, 0.95))
    return replace(plan, question=f"why does {target} return errors since 10 minutes?")


def url_variable(dependency: str) -> str:
    """Name of the environment variable that holds the address of `dependency`."""
    return dependency.upper().replace("-", "_") + "_URL"


def _healthy(dice: random.Random, plan: Plan) -> Plan:
    return replace(plan, onset=None, target="")


_DRAFTS: Mapping[str, Draft] = {
    "bad_deployment": _bad_deployment,
    "database_lock": _database_lock,
    "memory_leak": _memory_leak,
    "dependency_slow": _dependency_slow,
    "traffic_surge": _traffic_surge,
    "config_change": _config_change,
    "healthy": _healthy,
    "missing_source": _missing_source,
}


def _with_decoys(dice: random.Random, plan: Plan) -> Plan:
    """Add a release of an innocent service and a blip of another one, well away from the truth."""
    involved = {plan.target, plan.dependency, "checkout-api", "frontend", "payment-service"}
    innocent = [name for name in SERVICES if name not in involved]
    dice.shuffle(innocent)
    anchor = plan.onset or plan.now - timedelta(minutes=9)
    before = dice.random() < 0.5 or plan.onset is None
    shift = -dice.uniform(14, 35) * 60 if before else dice.uniform(90, 240)
    decoy = _release(plan, innocent[0], anchor + timedelta(seconds=shift), dice)
    blip = Blip(
        service=innocent[1],
        at=anchor - timedelta(minutes=dice.uniform(20, 50)),
        duration_s=dice.uniform(60, 150),
        factor=dice.uniform(1.25, 1.45),
    )
    releases = tuple(sorted((*plan.releases, decoy), key=lambda release: release.at))
    return replace(plan, releases=releases, blip=blip)


_COMPONENTS: Mapping[str, tuple[str, str, tuple[tuple[str, str], ...]]] = {
    "bad_deployment": ("app/{}", "bad_deployment", ()),
    "database_lock": (
        "database/payment_db",
        "database_lock_contention",
        (("database/squad_payment_prod", "database_lock_contention"),),
    ),
    "memory_leak": ("app/{}", "memory_leak", (("app/{}", "oom_killed"),)),
    "dependency_slow": ("app/{}", "dependency_slow", (("app/{}", "cpu_saturation"),)),
    "traffic_surge": ("app/{}", "traffic_surge", (("app/checkout-api", "traffic_surge"),)),
    "config_change": ("app/{}", "config_change", ()),
}


def _truth(plan: Plan) -> Truth:
    decoys = tuple(f"release of {r.service} {r.version}" for r in plan.releases if r is not plan.bad_release)
    decoys += (f"blip of {plan.blip.service}",)
    missing = ("elasticsearch/main",) if plan.elasticsearch_mode != "ok" else ()
    if plan.onset is None:
        return Truth(component=None, cause="no_fault_found", onset=None, decoys=decoys)
    component, cause, others = _COMPONENTS[plan.fault]
    return Truth(
        component=component.format(plan.target),
        cause=cause,
        onset=plan.onset,
        decoys=decoys,
        also_accepted=tuple((name.format(plan.target), other) for name, other in others),
        missing_sources=missing,
    )
