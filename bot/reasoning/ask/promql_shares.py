"""Shares of metrics: failures of all, hits of lookups, use of a limit, one state of all."""
# ruff: noqa: E501 - lists, forms and sentences stay on one line

from __future__ import annotations

from collections.abc import Sequence

from bot.reasoning.ask.model import CannotAnswer
from bot.reasoning.ask.promql_families import Family, alike, choose
from bot.reasoning.ask.promql_read import Wish
from bot.reasoning.ask.promql_text import Matcher, aggregate, call, duration, selector
from bot.reasoning.ask.words import name_parts, stem

STATUS = (
    "status",
    "status_code",
    "code",
    "response_code",
    "http_status_code",
    "http_response_status_code",
    "http_code",
)
_TELLING = frozenset(
    """status status_code code response_code outcome result state phase mode reason grpc_code type kind area level
    severity""".split()
)
_OUTCOMES = ("outcome", "result", "grpc_code", "state", "status", "error")
_BAD = (
    "error",
    "failure",
    "failed",
    "fail",
    "timeout",
    "SERVER_ERROR",
    "Internal",
    "Unavailable",
    "Unknown",
    "declined",
    "true",
)
_USED = frozenset({"used", "usage", "use", "in", "active", "busy", "current", "allocated", "working", "set", "inuse"})
_FREE = frozenset({"avail", "available", "free", "remaining", "unused"})
_LIMIT = frozenset({"max", "maximum", "limit", "total", "size", "capacity", "quota", "spec", "hard"})
_UNITS = frozenset({"byte", "total", "count", "number"})


def ratio(wish: Wish, known: tuple[Family, ...], needs: Sequence[str]) -> tuple[str, Family, str]:
    """Failed over all: by the status label of a counter of requests, or two counters."""
    words = wish.words or ["requests"]
    counted = [f for f in known if f.kind in ("counter", "histogram")]
    plain = [f for f in counted if not _is_failures(f)]
    family = _whole(words, plain, needs)
    bad = bad_of(family)
    every = aggregate("sum", call("rate", selector(family.counter, wish.matchers, range_s=wish.range_s)), wish.groups)
    if bad is not None:
        matcher = (
            Matcher(bad.label, {"=": "!=", "=~": "!~"}[bad.operator], bad.value) if wish.ratio == "success" else bad
        )
        top = selector(family.counter, [*wish.matchers, matcher], range_s=wish.range_s)
        failed = aggregate("sum", call("rate", top), wish.groups)
    else:
        other = _failures_of(family, counted, needs)
        failed = aggregate(
            "sum", call("rate", selector(other.counter, wish.matchers, range_s=wish.range_s)), wish.groups
        )
        failed = f"({every} - {failed})" if wish.ratio == "success" else failed
    expression = f"{failed} / {every}"
    expression = f"100 * {expression}" if wish.percent and wish.bound is None else expression
    return (
        expression,
        family,
        f"The share of {family.counter} that {'succeeded' if wish.ratio == 'success' else 'failed'} over {duration(wish.range_s)}",
    )


def _whole(words: Sequence[str], plain: Sequence[Family], needs: Sequence[str]) -> Family:
    """The counter of all: one that tells failures apart if there is one."""
    first: CannotAnswer | None = None
    telling = [f for f in plain if bad_of(f)] or plain
    for said, among in (
        (words, telling),
        ([*words, "requests"], telling),
        (words, plain),
        ([*words, "requests"], plain),
    ):
        try:
            return choose(said, among, kinds=("counter", "histogram"), needs=needs)
        except CannotAnswer as error:
            first = first or error
    assert first is not None, "every way has failed here"
    raise first


def _is_failures(family: Family) -> bool:
    return any(stem(w) in family.parts for w in ("errors", "failures", "failed"))


def _failures_of(family: Family, counted: Sequence[Family], needs: Sequence[str]) -> Family:
    """The counter of failures whose name is otherwise that of the counter of all."""
    own = {p for p in family.parts if p not in (stem("requests"), stem("total"), stem("count"))}
    found = [f for f in counted if _is_failures(f) and own & set(f.parts) and all(n in f.labels for n in needs)]
    if len(found) != 1:
        raise CannotAnswer(f"I see nothing that tells failures of {family.name} from successes.")
    return found[0]


def bad_of(family: Family) -> Matcher | None:
    """The matcher for a failure, by the values that the labels have."""
    for label in STATUS:
        values = family.labels.get(label, ())
        if any(v[:1] == "5" and len(v) == 3 for v in values) or (
            label in family.labels and all(v.isdigit() for v in values)
        ):
            return Matcher(label, "=~", "5..")
    for label in _OUTCOMES:
        bad = [v for v in family.labels.get(label, ()) if v.lower() in {b.lower() for b in _BAD}]
        if len(bad) == 1:
            return Matcher(label, "=", bad[0])
        if bad:
            return Matcher(label, "=~", "|".join(sorted(bad)))
    return None


def hits(wish: Wish, known: tuple[Family, ...], needs: Sequence[str]) -> tuple[str, Family, str] | None:
    """Hits over hits and misses, when the question says "hit ratio" or "miss rate"."""
    said = {stem(w) for w in wish.words}
    kind = next((w for w in ("hit", "miss") if w in said), None)
    if kind is None or not {"ratio", stem("percentage")} & said:
        return None
    rest = [w for w in wish.words if stem(w) not in (kind, "ratio", stem("percentage"))]
    pairs = [(choose([*rest, word], known, kinds=("counter",), needs=needs)) for word in ("hit", "miss")]
    hit, miss = (
        aggregate("sum", call("rate", selector(f.name, wish.matchers, range_s=wish.range_s)), wish.groups)
        for f in pairs
    )
    return (
        f"{hit if kind == 'hit' else miss} / ({hit} + {miss})",
        pairs[0],
        f"The {kind} ratio over {duration(wish.range_s)}",
    )


def saturation(wish: Wish, known: tuple[Family, ...]) -> tuple[str, Family, str]:
    """Use over limit (or what is free of it), for two gauges whose names differ only in that."""
    needs = [*wish.groups, *(m.label for m in wish.matchers)]
    found = [
        (part, whole)
        for part, whole in _pairs(known)
        if (wish.words or wish.matchers)
        and all(_explained(w, part) for w in wish.words)
        and all(n in part.labels for n in needs)
        and all(m.value in part.labels[m.label] for m in wish.matchers)
    ]
    ready = [f for f in known if f.kind == "gauge" and f.name.endswith(("_ratio", "_percent"))]
    ready = [f for f in ready if wish.words and all(stem(w) in f.parts for w in wish.words)]
    if len(found) != 1 and len(ready) == 1:
        matchers, said = wish.matchers, f"{ready[0].name} now"
        plain = selector(ready[0].name, matchers)
        return (aggregate(wish.function or "avg", plain, wish.groups) if wish.groups else plain), ready[0], said
    if len(found) != 1:
        raise CannotAnswer("I see no pair of use and limit for that.", *(a.name for a, _ in found[:3]))
    part, whole = found[0]
    if any(label not in whole.labels for label in needs):
        raise CannotAnswer(f"{whole.name} is not kept by {', '.join(needs)}.")
    return _over(wish, part, whole), part, f"{part.name} as a share of {whole.name} now"


def _over(wish: Wish, part: Family, whole: Family) -> str:
    top, low = selector(part.name, wish.matchers), selector(whole.name, wish.matchers)
    if wish.groups:
        top, low = aggregate("sum", top, wish.groups), aggregate("sum", low, wish.groups)
    elif wish.function == "sum":
        top, low = aggregate("sum", top), aggregate("sum", low)
    text = f"{top} / {low}"
    if wish.function in ("max", "avg", "min"):
        text = aggregate(wish.function, text)
    free = bool(_FREE & set(name_parts(part.name)))
    text = f"1 - {text}" if free != (wish.saturation == "free") else text
    if wish.percent and wish.bound is None:
        text = f"100 * ({text})" if text.startswith("1 - ") else f"100 * {text}"
    return text


def _pairs(known: Sequence[Family]) -> list[tuple[Family, Family]]:
    """Gauges of one thing, the second of which is the limit of the first; what is used goes before what is free."""
    parts = {f.name: set(name_parts(f.name)) for f in known if f.kind == "gauge"}
    gauges = [f for f in known if f.name in parts]
    found: dict[str, tuple[Family, Family]] = {}
    for words in (_USED, _FREE):
        for one in gauges:
            for other in gauges:
                core = parts[one.name] - _USED - _FREE - _LIMIT - _UNITS
                same = core == parts[other.name] - _USED - _FREE - _LIMIT - _UNITS
                limits = bool(parts[other.name] & (_LIMIT - _UNITS | {"total"})) and not parts[other.name] & (
                    _USED | _FREE
                )
                if one != other and core and same and limits and parts[one.name] & words:
                    found.setdefault(" ".join(sorted(core)), (one, other))
    return list(found.values())


def _explained(word: str, family: Family) -> bool:
    root = stem(word)
    near = {a for part in family.parts for a in alike(part)}
    return root in (*family.parts, stem("memory"), stem("space")) or root in near


def share(wish: Wish, known: tuple[Family, ...], needs: Sequence[str]) -> tuple[str, Family, str]:
    """The rows of one state over those of all: the label of the state is the one that tells outcomes apart."""
    telling = [m for m in wish.matchers if m.label in _TELLING]
    if len(telling) != 1:
        raise CannotAnswer("A share of what? Name one state, such as failed.")
    rest = [m for m in wish.matchers if m is not telling[0]]
    kinds = ("counter", "histogram", "gauge")
    keeping = [f for f in known if telling[0].value in f.labels.get(telling[0].label, ())]
    if not wish.words and len(keeping) == 1:
        family = keeping[0]
    else:
        family = choose(wish.words or ["requests"], keeping, kinds=kinds, needs=needs, soft=wish.soft)
    if any(label not in family.labels for label in needs):
        raise CannotAnswer(f"{family.name} is not kept by {', '.join(needs)}.")
    sums = []
    for matchers in (wish.matchers, rest):
        if family.kind == "gauge":
            inner = selector(family.name, matchers)
        else:
            inner = call("rate", selector(family.counter, matchers, range_s=wish.range_s))
        sums.append(aggregate("sum", inner, wish.groups))
    text = " / ".join(sums)
    text = f"100 * {text}" if wish.percent and wish.bound is None else text
    return text, family, f"The share of {family.name} whose {telling[0].label} is {telling[0].value}"
