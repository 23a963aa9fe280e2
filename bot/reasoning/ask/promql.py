"""A question about metrics as one PromQL expression: rates, quantiles, ratios, saturation, top k, bounds."""

from __future__ import annotations

from collections.abc import Sequence

from bot.reasoning.ask.model import Asked, CannotAnswer, Holding, Written
from bot.reasoning.ask.promql_families import Family, choose, families, is_limit
from bot.reasoning.ask.promql_read import MetricReader, Wish
from bot.reasoning.ask.promql_shares import STATUS, bad_of, hits, ratio, saturation, share
from bot.reasoning.ask.promql_text import Matcher, aggregate, call, duration, number, selector
from bot.reasoning.ask.words import stem
from connectors.model import TimeWindow

_MOST_READINGS = 4
_STATES = frozenset({"phase", "reason", "condition", "state", "status"})
_ALL = frozenset({"counter", "gauge", "histogram", "summary"})


def write_promql(asked: Asked, holding: Holding) -> Written:
    """The query, or CannotAnswer."""
    known = families(holding.metrics)
    if not known:
        raise CannotAnswer("I know no metrics here yet.")
    wish, (expression, family, explained) = _read(asked, known)
    expression, explained = _finished(wish, expression, explained)
    span = wish.span
    window = TimeWindow(start=span.start, end=span.end) if span and span.start and span.end else None
    return Written(expression, "promql", explained, used=(family.name,), window=window)


def _read(asked: Asked, known: tuple[Family, ...]) -> tuple[Wish, tuple[str, Family, str]]:
    """What was read and its expression. A word that is a value of several labels, or a value and a name, is tried as
    each: the first reading that one metric explains whole is taken, and the first reason is given when none is.
    """
    first: CannotAnswer | None = None
    for names_first in (False, True):
        avoided: set[str] = set()
        for _ in range(_MOST_READINGS):
            reader = MetricReader(known, names_first=names_first, avoided=frozenset(avoided))
            try:
                wish = reader.read(asked)
                return wish, _expression(wish, known)
            except CannotAnswer as error:
                first = first or error
                if not reader.chosen - avoided:
                    break
                avoided |= reader.chosen
    assert first is not None, "a reading either works or says why not"
    raise first


def _expression(wish: Wish, known: tuple[Family, ...]) -> tuple[str, Family, str]:
    needs = [*wish.groups, *(m.label for m in wish.matchers)]
    if _is_up(wish, known):
        return _up(wish, known)
    if _is_alert(wish, known):
        return _alerts(wish, known)
    if wish.quantile is not None:
        return _quantile(wish, choose(wish.words or ["latency"], known, kinds=("histogram",), needs=needs))
    return _shared(wish, known, needs) or _plain(wish, known, needs)


def _shared(wish: Wish, known: tuple[Family, ...], needs: Sequence[str]) -> tuple[str, Family, str] | None:
    """One number over another, when the question asks for that."""
    if wish.saturation:
        return saturation(wish, known)
    if wish.share and wish.status is None:
        return share(wish, known, needs)
    if wish.ratio or wish.share:
        return ratio(wish, known, needs)
    return hits(wish, known, needs)


def _plain(wish: Wish, known: tuple[Family, ...], needs: Sequence[str]) -> tuple[str, Family, str]:
    if wish.status and not wish.words:
        wish.words = ["requests"]
    if not wish.words and not wish.rate and not wish.per_minute:
        level = _level(wish, known)
        return _gauge(wish, level) if level else _in_state(wish, known)
    family = _family(wish, known, needs)
    if wish.spent and family.kind in ("histogram", "summary"):
        return _spent(wish, family)
    if family.kind == "gauge":
        return _gauge(wish, family)
    if family.kind in ("histogram", "summary") and not _counts(wish, family):
        return _mean(wish, family)
    return _counter(wish, family)


def _family(wish: Wish, known: tuple[Family, ...], needs: Sequence[str]) -> Family:
    """Counters of failures are preferred for "errors"; else the errors become a filter on the status of requests."""
    kinds = _ALL if not (wish.rate or wish.per_minute) else _ALL - {"gauge"}
    try:
        return choose(wish.words, known, kinds=kinds, needs=needs, soft=wish.soft, level=not wish.increase)
    except CannotAnswer:
        errors = [w for w in wish.words if stem(w) in (stem("errors"), stem("failed"), stem("failure"))]
        if not errors or wish.status:
            raise
        rest = [w for w in wish.words if w not in errors] or ["requests"]
        family = choose(rest, known, kinds=("counter", "histogram"), needs=needs)
        wish.words, wish.status = rest, "5"
        return family


def _level(wish: Wish, known: tuple[Family, ...]) -> Family | None:
    """The one gauge that keeps a value which is no state: "heap usage" of areas of memory."""
    if not wish.matchers or any(m.label in _STATES for m in wish.matchers) or "usage" not in wish.soft:
        return None
    found = [f for f in known if f.kind == "gauge" and all(m.value in f.labels.get(m.label, ()) for m in wish.matchers)]
    found = [f for f in found if not is_limit(f)]
    return found[0] if len(found) == 1 else None


def _in_state(wish: Wish, known: tuple[Family, ...]) -> tuple[str, Family, str]:
    """ "Pods in CrashLoopBackOff": the one gauge of zeros and ones that keeps such a state."""
    states = [m for m in wish.matchers if m.label in _STATES]
    found = [f for f in known if f.kind == "gauge" and all(m.label in f.labels for m in wish.matchers)]
    found = [f for f in found if all(m.value in f.labels[m.label] for m in wish.matchers)]
    if len(states) != 1 or len(found) != 1 or wish.span is not None or wish.bound is not None:
        raise CannotAnswer("I see no metric in that.")
    plain = f"{selector(found[0].name, wish.matchers)} == 1"
    if wish.increase or wish.groups:
        plain = aggregate("count", plain, wish.groups)
    return plain, found[0], f"What {found[0].name} says is {states[0].value}"


def _spent(wish: Wish, family: Family) -> tuple[str, Family, str]:
    inner = call("rate", selector(f"{family.name}_sum", wish.matchers, range_s=wish.range_s))
    return (
        aggregate("sum", inner, wish.groups),
        family,
        f"Time of {family.name} per second over {duration(wish.range_s)}",
    )


def _counts(wish: Wish, family: Family) -> bool:
    """Whether a histogram is asked for how often, not how long."""
    timed = {stem(w) for w in ("latency", "duration", "time", "response")}
    return (wish.rate or wish.increase or wish.per_minute) and not any(stem(w) in timed for w in wish.words)


def _counter(wish: Wish, family: Family) -> tuple[str, Family, str]:
    matchers = [*wish.matchers, *_status(wish, family)]
    spent = family.name.endswith(("_seconds_total", "_bytes_total", "_seconds_sum"))
    counted = wish.increase or (wish.span is not None and not spent and wish.function in (None, "sum"))
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


def _status(wish: Wish, family: Family) -> list[Matcher]:
    if wish.status is None:
        return []
    label = next((name for name in STATUS if name in family.labels), None)
    if label and (not family.labels[label] or all(v[:1].isdigit() for v in family.labels[label])):
        return [Matcher(label, "=", wish.status) if len(wish.status) == 3 else Matcher(label, "=~", f"{wish.status}..")]
    bad = bad_of(family)
    if wish.status == "5" and bad:
        return [bad]
    raise CannotAnswer(f"{family.name} does not tell its statuses apart.")


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
    if wish.yes_no:
        return selector("up", wish.matchers), family, "Whether targets are up: 1 is up, 0 is down"
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
