"""A question about metrics as one PromQL expression: rates, quantiles, ratios, saturation, top k, bounds."""
# ruff: noqa: E501 - lists, forms and sentences stay on one line

from __future__ import annotations

from collections.abc import Sequence

from bot.reasoning.ask.model import Asked, CannotAnswer, Holding, Written
from bot.reasoning.ask.promql_families import Family, choose, families
from bot.reasoning.ask.promql_read import MetricReader, Wish
from bot.reasoning.ask.promql_text import Matcher, aggregate, call, duration, number, selector
from bot.reasoning.ask.words import stem
from connectors.model import TimeWindow

_STATUS = (
    "status",
    "status_code",
    "code",
    "response_code",
    "http_status_code",
    "http_response_status_code",
    "http_code",
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
_ALL = frozenset({"counter", "gauge", "histogram", "summary"})
_PAIRS = (
    ("in_use", "max"), ("active", "max"), ("used", "max"), ("used", "limit"), ("used", "total"), ("used", "size"),
    ("usage", "limit"), ("usage", "max"), ("used", "capacity"), ("working_set_bytes", "spec_memory_limit_bytes"),
    ("busy", "max"), ("active", "limit"), ("current", "max"), ("in_use", "limit"), ("in_use", "size"), ("active", "size"),
    ("used_bytes", "max_bytes"), ("used_bytes", "limit_bytes"), ("used_bytes", "size_bytes"), ("used_bytes", "total_bytes"),
    ("used_bytes", "capacity_bytes"), ("memory_usage_bytes", "memory_limit_bytes"), ("active", "pool_size"),
)  # fmt: skip


def write_promql(asked: Asked, holding: Holding) -> Written:
    """The query, or CannotAnswer."""
    known = families(holding.metrics)
    if not known:
        raise CannotAnswer("I know no metrics here yet.")
    wish = MetricReader(known).read(asked)
    expression, family, explained = _expression(wish, known)
    expression, explained = _finished(wish, expression, explained)
    span = wish.span
    window = TimeWindow(start=span.start, end=span.end) if span and span.start and span.end else None
    return Written(expression, "promql", explained, used=(family.name,), window=window)


def _expression(wish: Wish, known: tuple[Family, ...]) -> tuple[str, Family, str]:
    if _is_up(wish, known):
        return _up(wish, known)
    if _is_alert(wish, known):
        return _alerts(wish, known)
    needs = [*wish.groups, *(m.label for m in wish.matchers)]
    if wish.saturation:
        return _saturation(wish, known)
    if wish.quantile is not None:
        return _quantile(wish, choose(wish.words or ["latency"], known, kinds=("histogram",), needs=needs))
    if wish.ratio:
        return _ratio(wish, known, needs)
    hits = _hits(wish, known, needs)
    if hits:
        return hits
    if wish.status and not wish.words:
        wish.words = ["requests"]
    family = _family(wish, known, needs)
    if family.kind == "gauge":
        return _gauge(wish, family)
    if family.kind in ("histogram", "summary") and not _counts(wish, family):
        return _mean(wish, family)
    return _counter(wish, family)


def _family(wish: Wish, known: tuple[Family, ...], needs: Sequence[str]) -> Family:
    """Counters of failures are preferred for "errors"; else the errors become a filter on the status of requests."""
    kinds = _ALL if not (wish.rate or wish.per_minute) else _ALL - {"gauge"}
    try:
        return choose(wish.words, known, kinds=kinds, needs=needs)
    except CannotAnswer:
        errors = [w for w in wish.words if stem(w) in (stem("errors"), stem("failed"), stem("failure"))]
        if not errors or wish.status:
            raise
        rest = [w for w in wish.words if w not in errors] or ["requests"]
        family = choose(rest, known, kinds=("counter", "histogram"), needs=needs)
        wish.words, wish.status = rest, "5"
        return family


def _counts(wish: Wish, family: Family) -> bool:
    """Whether a histogram is asked for how often, not how long."""
    timed = {stem(w) for w in ("latency", "duration", "time", "response")}
    return (wish.rate or wish.increase or wish.per_minute) and not any(stem(w) in timed for w in wish.words)


def _counter(wish: Wish, family: Family) -> tuple[str, Family, str]:
    matchers = [*wish.matchers, *_status(wish, family)]
    spent = family.name.endswith(("_seconds_total", "_bytes_total", "_seconds_sum"))
    counted = wish.increase or (wish.span is not None and not spent and wish.function is None)
    if wish.rate or wish.per_minute or not counted:
        inner = call("rate", selector(family.counter, matchers, range_s=wish.range_s))
        inner = f"{inner} * 60" if wish.per_minute else inner
        said = f"per-{'minute' if wish.per_minute else 'second'} rate of {family.counter} over {duration(wish.range_s)}"
    elif wish.span is None:
        raise CannotAnswer("Over which time? Counters start anew with each restart.", "… in the last hour")
    else:
        inner = call("increase", selector(family.counter, matchers, range_s=wish.range_s))
        said = f"increase of {family.counter} over {duration(wish.range_s)}"
    operator = wish.function if wish.function in ("avg", "max", "min") else "sum"
    return aggregate(operator, inner, wish.groups), family, f"The {operator} of the {said}"


def _quantile(wish: Wish, family: Family) -> tuple[str, Family, str]:
    rates = call(
        "rate", selector(f"{family.name}_bucket", [*wish.matchers, *_status(wish, family)], range_s=wish.range_s)
    )
    summed = aggregate("sum", rates, [*wish.groups, "le"])
    assert wish.quantile is not None
    said = f"The {wish.quantile * 100:g}th percentile of {family.name} over {duration(wish.range_s)}"
    return call("histogram_quantile", number(wish.quantile), summed), family, said


def _mean(wish: Wish, family: Family) -> tuple[str, Family, str]:
    if wish.function in ("max", "min"):
        raise CannotAnswer(f"A histogram keeps no {wish.function}. Ask for a percentile.", "p99 …", "average …")
    if wish.function is None and not wish.top and not wish.bound:
        raise CannotAnswer("Which latency: the average, or a percentile?", "p99 …", "p95 …", "average …")
    matchers = [*wish.matchers, *_status(wish, family)]
    parts = [
        aggregate("sum", call("rate", selector(f"{family.name}_{part}", matchers, range_s=wish.range_s)), wish.groups)
        for part in ("sum", "count")
    ]
    return " / ".join(parts), family, f"The mean of {family.name} over {duration(wish.range_s)}"


def _ratio(wish: Wish, known: tuple[Family, ...], needs: Sequence[str]) -> tuple[str, Family, str]:
    """Failed over all: by the status label of a counter of requests, or two counters."""
    words = wish.words or ["requests"]
    counted = [f for f in known if f.kind in ("counter", "histogram")]
    plain = [f for f in counted if not _is_failures(f)]
    try:
        family = choose(words, [f for f in plain if _bad(f)] or plain, kinds=("counter", "histogram"), needs=needs)
    except CannotAnswer:
        family = choose([*words, "requests"], plain, kinds=("counter", "histogram"), needs=needs)
    bad = _bad(family)
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


def _is_failures(family: Family) -> bool:
    return any(stem(w) in family.parts for w in ("errors", "failures", "failed"))


def _failures_of(family: Family, counted: Sequence[Family], needs: Sequence[str]) -> Family:
    """The counter of failures whose name is otherwise that of the counter of all."""
    own = {p for p in family.parts if p not in (stem("requests"), stem("total"), stem("count"))}
    found = [f for f in counted if _is_failures(f) and own & set(f.parts) and all(n in f.labels for n in needs)]
    if len(found) != 1:
        raise CannotAnswer(f"I see nothing that tells failures of {family.name} from successes.")
    return found[0]


def _bad(family: Family) -> Matcher | None:
    """The matcher for a failure, by the values that the labels have."""
    for label in _STATUS:
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


def _status(wish: Wish, family: Family) -> list[Matcher]:
    if wish.status is None:
        return []
    label = next((name for name in _STATUS if name in family.labels), None)
    if label and (not family.labels[label] or all(v[:1].isdigit() for v in family.labels[label])):
        return [Matcher(label, "=", wish.status) if len(wish.status) == 3 else Matcher(label, "=~", f"{wish.status}..")]
    bad = _bad(family)
    if wish.status == "5" and bad:
        return [bad]
    raise CannotAnswer(f"{family.name} does not tell its statuses apart.")


def _hits(wish: Wish, known: tuple[Family, ...], needs: Sequence[str]) -> tuple[str, Family, str] | None:
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


def _gauge(wish: Wish, family: Family) -> tuple[str, Family, str]:
    if wish.increase and wish.function is None and family.name not in ("up",):
        return _gauge_counted(wish, family)
    if _status(wish, family):
        raise CannotAnswer(f"{family.name} has no status.")
    if wish.span is not None:
        if wish.function not in ("avg", "max", "min"):
            raise CannotAnswer("Over that time, which: the average, the highest or the lowest?", f"max {family.name} …")
        over = call(f"{wish.function}_over_time", selector(family.name, wish.matchers, range_s=wish.range_s))
        return (
            aggregate(wish.function, over, wish.groups),
            family,
            f"The {wish.function} of {family.name} over {duration(wish.range_s)}",
        )
    plain = selector(family.name, wish.matchers)
    if wish.function:
        return aggregate(wish.function, plain, wish.groups), family, f"The {wish.function} of {family.name} now"
    if wish.groups and (set(family.labels) - set(wish.groups) - {m.label for m in wish.matchers}):
        return aggregate("sum", plain, wish.groups), family, f"The sum of {family.name} now"
    return plain, family, f"{family.name} now"


def _gauge_counted(wish: Wish, family: Family) -> tuple[str, Family, str]:
    """ "How many connections" of a gauge is its sum."""
    if wish.span is not None or wish.rate:
        raise CannotAnswer(f"{family.name} is a level, not a count of events. Ask for its average or highest.")
    return aggregate("sum", selector(family.name, wish.matchers), wish.groups), family, f"The sum of {family.name} now"


def _saturation(wish: Wish, known: tuple[Family, ...]) -> tuple[str, Family, str]:
    """Use over limit, for the pair of gauges whose names differ only in that."""
    names = {f.name: f for f in known if f.kind == "gauge"}
    found = []
    for used, limit in _PAIRS:
        for name, family in names.items():
            other = names.get(name.replace(used, limit)) if used in name else None
            words = all(
                stem(w) in (*family.parts, stem("memory")) or stem(w) in _parts_alike(family) for w in wish.words
            )
            if other and other != family and wish.words and words:
                found.append((family, other))
    found = list({(a.name, b.name): (a, b) for a, b in found}.values())
    if len(found) != 1:
        ratio = [
            f
            for f in names.values()
            if f.name.endswith(("_ratio", "_percent")) and all(stem(w) in f.parts for w in wish.words)
        ]
        if len(ratio) == 1 and wish.words:
            return _gauge(wish, ratio[0])
        raise CannotAnswer("I see no pair of use and limit for that.", *(a.name for a, _ in found[:3]))
    family, other = found[0]
    needs = [*wish.groups, *(m.label for m in wish.matchers)]
    if any(label not in family.labels or label not in other.labels for label in needs):
        raise CannotAnswer(f"{family.name} is not kept by {', '.join(needs)}.")
    top, low = selector(family.name, wish.matchers), selector(other.name, wish.matchers)
    if wish.groups:
        top, low = aggregate("sum", top, wish.groups), aggregate("sum", low, wish.groups)
    elif wish.function in ("sum",):
        top, low = aggregate("sum", top), aggregate("sum", low)
    ratio_text = f"{top} / {low}"
    if wish.function in ("max", "avg", "min"):
        ratio_text = aggregate(wish.function, ratio_text)
    return ratio_text, family, f"{family.name} as a share of {other.name} now"


def _parts_alike(family: Family) -> frozenset[str]:
    from bot.reasoning.ask.promql_families import _SAME

    return frozenset(alike for part in family.parts for alike in _SAME.get(part, ()))


def _is_up(wish: Wish, known: tuple[Family, ...]) -> bool:
    return (
        any(f.name == "up" for f in known)
        and bool(wish.words)
        and set(wish.words) <= {"up", "down", "target", "healthy", "unhealthy", "reachable", "unreachable"}
    )


def _up(wish: Wish, known: tuple[Family, ...]) -> tuple[str, Family, str]:
    family = next(f for f in known if f.name == "up")
    down = bool({"down", "unhealthy", "unreachable"} & set(wish.words))
    if any(m.label not in family.labels for m in wish.matchers) or any(g not in family.labels for g in wish.groups):
        raise CannotAnswer("The metric up is not kept by that.")
    if wish.span is not None:
        raise CannotAnswer("I can say what is up or down now, not over a time.")
    plain = f"{selector('up', wish.matchers)} == {0 if down else 1}"
    if wish.increase:
        return aggregate("count", plain, wish.groups), family, f"How many targets are {'down' if down else 'up'}"
    wish.groups = []
    return plain, family, f"Targets that are {'down' if down else 'up'}"


def _is_alert(wish: Wish, known: tuple[Family, ...]) -> bool:
    return any(f.name == "ALERTS" for f in known) and "alert" in wish.words


def _alerts(wish: Wish, known: tuple[Family, ...]) -> tuple[str, Family, str]:
    family = next(f for f in known if f.name == "ALERTS")
    rest = set(wish.words) - {"alert", "fire", "firing", "active", "pending"}
    if rest or wish.span or wish.bound or any(m.label not in family.labels for m in wish.matchers):
        raise CannotAnswer("I can list the alerts that fire or are pending now.")
    wish.matchers = [m for m in wish.matchers if m.label != "alertstate"]
    state = "pending" if "pending" in wish.words else "firing"
    plain = selector("ALERTS", [Matcher("alertstate", "=", state), *wish.matchers])
    if wish.increase or wish.groups:
        return aggregate("count", plain, wish.groups), family, f"How many alerts are {state}"
    return plain, family, f"Alerts that are {state}"


def _finished(wish: Wish, expression: str, explained: str) -> tuple[str, str]:
    """Bounds and the top k around the whole."""
    if wish.groups:
        explained += f", by {' and '.join(wish.groups)}"
    if wish.matchers:
        explained += ", where " + " and ".join(f"{m.label} is {m.value}" for m in wish.matchers)
    if wish.bound is not None:
        operator, value = wish.bound
        expression = (
            f"({expression}) {operator} {number(value)}"
            if " / " in expression
            else f"{expression} {operator} {number(value)}"
        )
        explained += f", kept where it is {operator} {number(value)}"
    if wish.top is not None:
        operator, count = wish.top
        if not wish.groups and count > 1:
            raise CannotAnswer(f"The top {count} of what? Name a label, such as service.")
        if wish.groups:
            expression = aggregate(operator, expression, parameter=str(count))
            explained += f", the {'lowest' if operator == 'bottomk' else 'highest'} {count}"
        else:
            expression = aggregate("min" if operator == "bottomk" else "max", expression)
            explained += f", the {'lowest' if operator == 'bottomk' else 'highest'}"
    return expression, explained + "."
