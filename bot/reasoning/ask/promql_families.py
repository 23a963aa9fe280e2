"""Metric families of a catalogue, and which of them a question means."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from bot.reasoning.ask.model import CannotAnswer, Metric
from bot.reasoning.ask.words import name_parts, stem, tokens

_SUFFIX = re.compile(r"_(?:bucket|sum|count)$")
_UNIT_PARTS = frozenset({"total", "second", "byte", "ratio", "info", "percent", "millisecond", "m", "ms", "celsius"})
_ALIKE = (
    "latency duration time response slow",
    "request call hit traffic rps qps throughput query",
    "memory ram resident",
    "cpu processor core",
    "queue backlog waiting",
    "depth length size backlog message pending waiting",
    "disk filesystem storage volume space",
    "connection conn session",
    "error failure failed fail exception",
    "restart crash",
    "pool",
    "lag delay behind",
    "usage use used consumption utilization utilisation",
    "available avail free",
    "limit max maximum capacity",
    "receive received incoming inbound rx",
    "transmit sent send outgoing outbound tx",
    "order purchase checkout",
    "job task",
    "target instance up",
    "replica",
    "gc garbage collection",
    "temperature heat",
    "worker thread",
    "cache",
    "login signin auth authentication",
    "consumer group consumergroup",
    "working set",
    "pg postgres postgresql database db",
    "mysql mariadb database db",
    "k8s kube kubernetes",
    "jvm java",
    "replica replication replicate",
    "deadlock",
    "commit transaction xact",
    "rpc grpc call",
    "client connection",
    "fetch read",
    "goroutine",
    "load",
    "consume consumer",
    "publish publisher produce producer",
    "lookup keyspace",
    "node instance host machine",
    "network net",
    "evict eviction",
    "expire expiry",
)
_SAME: dict[str, frozenset[str]] = {}
for _line in _ALIKE:
    for _word in _line.split():
        _SAME[stem(_word)] = _SAME.get(stem(_word), frozenset()) | {stem(w) for w in _line.split()}
# What a metric that is a limit of another one is called; asked for use, the limit is not meant.
_LIMITS = frozenset(stem(w) for w in "max maximum limit capacity quota spec size".split())
_TIE = 0.12
_UNSAID = frozenset({"client", "outbound", "upstream", "grpc", "go", "prometheus", "scrape"})


@dataclass(frozen=True)
class Family:
    """`kind` is counter, gauge, histogram or summary; `name` has no _bucket, _sum or _count for the last two."""

    name: str
    kind: str
    help: str
    labels: Mapping[str, tuple[str, ...]]

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(stem(part) for part in name_parts(self.name))

    @property
    def counter(self) -> str:
        """The counter to take rates of."""
        return f"{self.name}_count" if self.kind in ("histogram", "summary") else self.name


def alike(part: str) -> frozenset[str]:
    """Roots of words that say the same as this root."""
    return _SAME.get(part, frozenset())


def is_limit(family: Family) -> bool:
    """Whether a metric is named as the limit of another."""
    return bool(set(family.parts) & _LIMITS)


def families(metrics: Iterable[Metric]) -> tuple[Family, ...]:
    """The catalogue by family; a type that is not given is told from the name."""
    listed = {metric.name: metric for metric in metrics}
    found: dict[str, Family] = {}
    for metric in listed.values():
        base = _SUFFIX.sub("", metric.name)
        is_part = base != metric.name and (f"{base}_bucket" in listed or metric.type in ("histogram", "summary"))
        name = base if is_part else metric.name
        known = found.get(name)
        labels = {**(known.labels if known else {}), **metric.labels}
        labels.pop("le", None)
        labels.pop("quantile", None)
        found[name] = Family(name, _kind(metric, is_part), metric.help or (known.help if known else ""), labels)
    return tuple(found.values())


def _kind(metric: Metric, is_part: bool) -> str:
    if metric.type in ("counter", "gauge", "histogram", "summary"):
        return metric.type
    if is_part:
        return "histogram"
    return "counter" if metric.name.endswith("_total") else "gauge"


def choose(
    words: Collection[str],
    known: Iterable[Family],
    *,
    kinds: Collection[str],
    needs: Collection[str],
    soft: Collection[str] = (),
    level: bool = False,
) -> Family:
    """The family that explains every word; CannotAnswer when none does, or several do as well.

    `needs` are labels that the question filters or groups by; `soft` words decide only between equals, and
    among those `level` prefers a gauge.
    """
    said_soft = {stem(word) for word in soft}
    scored = []
    for family in known:
        score = _score(words, family, labelled=bool(needs))
        if score is not None and family.kind in kinds and all(label in family.labels for label in needs):
            score += 0.2 * len(said_soft & set(family.parts))
            limits = set(family.parts) & _LIMITS - {stem(word) for word in (*words, *soft)}
            scored.append((score - 0.35 * bool(limits), family))
    if not scored:
        said = " ".join(words)
        near = [f.name for f in known if any(_matches(w, f) for w in words)][:3]
        raise CannotAnswer(f"I find no metric here for “{said}”." if said else "I see no metric in that.", *near)
    scored.sort(key=lambda pair: -pair[0])
    best = [family for score, family in scored if score > scored[0][0] - _TIE]
    levels = [family for family in best if family.kind == "gauge"]
    if level and len(levels) == 1:
        return levels[0]
    if len(best) > 1:
        raise CannotAnswer("Several metrics could be meant.", *(f.name for f in best[:4]))
    return best[0]


def _score(words: Collection[str], family: Family, *, labelled: bool) -> float | None:
    """None unless every word is explained by the name, a synonym or the help text."""
    total, hit = 0.0, set()
    for word in words:
        found = _matches(word, family)
        if found is None:
            return None
        weight, part = found
        total += weight
        hit.add(part)
    if not words or (not hit - {""} and not labelled):
        return None
    unsaid = [part for part in family.parts if part not in hit and part not in {stem(u) for u in _UNIT_PARTS}]
    loud = sum(part in _UNSAID for part in unsaid)
    return total - 0.15 * len(unsaid) - 0.35 * loud


def _matches(word: str, family: Family) -> tuple[float, str] | None:
    root = stem(word)
    if root in family.parts:
        return 1.0, root
    labels = {stem(part) for label in family.labels for part in name_parts(label)}
    near = [part for part in family.parts if part in _SAME.get(root, ())]
    for part in sorted(near, key=lambda one: one in labels):
        return (0.35 if part in labels else 0.75), part
    roots = {stem(t.text) for t in tokens(family.help) if t.sort == "word"}
    if root in roots:
        return 0.4, ""
    return None


def relevant(question: str, metrics: Iterable[Metric]) -> list[Metric]:
    """The metrics that words of the question can mean, the likeliest first; parts of a histogram stand for it once."""
    roots = {stem(t.text) for t in tokens(question) if t.sort == "word"}
    wide = roots | {alike for root in roots for alike in _SAME.get(root, ())}
    wide |= {stem("requests")} if {stem("error"), stem("rate"), stem("ratio")} & roots else set()
    scored = []
    for metric in metrics:
        if metric.name.endswith("_bucket") or metric.name.endswith("_sum"):
            continue
        parts = {stem(part) for part in name_parts(metric.name)}
        score = len(parts & wide) - 0.1 * len(parts) - 0.5 * len(parts & _UNSAID)
        if parts & wide:
            scored.append((-score, metric.name, metric))
    return [metric for _, _, metric in sorted(scored, key=lambda entry: entry[:2])]
