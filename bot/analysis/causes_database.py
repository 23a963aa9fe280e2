"""Causes that live in a database: locks, connections, slow statements, lag."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bot.analysis.candidates import Candidate
from bot.analysis.scene import Scene
from bot.domain.evidence import Finding, FindingKind

_K = FindingKind
_WAITS = (_K.LATENCY_ROSE, _K.LOG_TEMPLATE_NEW, _K.CONNECTIONS_AT_LIMIT)


@dataclass(frozen=True)
class _Rule:
    kind: FindingKind
    cause: str
    strength: float
    words: str
    disprove: str


_RULES = (
    _Rule(
        _K.LOCK_CHAIN,
        "database_lock_contention",
        0.95,
        "Sessions wait for locks in database {}",
        "No session waiting for a lock while the symptom lasts.",
    ),
    _Rule(
        _K.CONNECTIONS_AT_LIMIT,
        "db_connection_exhaustion",
        0.7,
        "Database {} has no connections left",
        "Free connections while the symptom lasts.",
    ),
    _Rule(
        _K.SLOW_STATEMENT_ROSE,
        "database_slow_query",
        0.75,
        "A statement of database {} got much slower",
        "The statement at its usual time while the symptom lasts.",
    ),
    _Rule(
        _K.REPLICATION_LAG_ROSE,
        "database_replication_lag",
        0.8,
        "A replica of database {} is behind",
        "Reads from the primary that show the same symptom.",
    ),
)


def database_causes(scene: Scene) -> Iterator[Candidate]:
    """One candidate per signature and database; its scope is that of the services that use it."""
    components = sorted({f.component for f in scene.findings if f.component.startswith("database/")})
    for component in components:
        for rule in _RULES:
            found = scene.of(component, rule.kind)
            if found:
                yield _candidate(scene, component, rule, found)


def _candidate(scene: Scene, component: str, rule: _Rule, found: list[Finding]) -> Candidate:
    users = scene.users.get(component, ())
    unknown = 0.6 * max(scene.blame.own.values(), default=0.0)
    made = Candidate(
        component=component,
        cause=rule.cause,
        statement=rule.words.format(component.partition("/")[2]),
        would_disprove=rule.disprove,
        scope=max((scene.own(u) for u in users), default=0.0) if users else unknown,
        roles=frozenset({"database", "metrics"}),
        floor=0.3 if rule.kind is _K.LOCK_CHAIN else 0.15,
    )
    made.support(rule.strength, found)
    waits = [f for u in users for f in scene.of(f"app/{u}", *_WAITS)]
    made.support(0.35, waits)
    if rule.kind is _K.CONNECTIONS_AT_LIMIT:
        _weigh_exhaustion(scene, made, users)
    if rule.kind is _K.SLOW_STATEMENT_ROSE and scene.of(component, _K.LOCK_CHAIN):
        made.oppose(0.5, scene.of(component, _K.LOCK_CHAIN))
    return made


def _weigh_exhaustion(scene: Scene, made: Candidate, users: tuple[str, ...]) -> None:
    """A full database is mostly a consequence: of a release of a user of it, of a lock that holds everybody."""
    releases = [c.finding for c in scene.changes if c.change.service in users and c.nearness > 0.5]
    if releases:
        made.oppose(0.6, releases)
    locks = scene.of(made.component, _K.LOCK_CHAIN)
    if locks:
        made.oppose(0.6, locks)
