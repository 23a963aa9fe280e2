"""What a query over tables does, in one sentence a person can check."""

from __future__ import annotations

from bot.reasoning.ask.intent import Condition, Intent, Measure
from bot.reasoning.ask.lexicon import Ref

_WORDS = {
    "=": "is", "!=": "is not", ">": "is over", ">=": "is at least", "<": "is under", "<=": "is at most",
    "in": "is one of", "not_in": "is none of", "contains": "contains", "starts": "starts with", "ends": "ends with",
    "not_contains": "does not contain", "not_starts": "does not start with", "not_ends": "does not end with",
    ">avg": "is over the average", ">=avg": "is at least the average",
    "<avg": "is under the average", "<=avg": "is at most the average",
    "null": "is missing", "not_null": "is set", "true": "is true", "false": "is false", "between": "is between",
}  # fmt: skip
_FUNCTIONS = {
    "sum": "adds up",
    "avg": "averages",
    "min": "takes the lowest",
    "max": "takes the highest",
    "median": "takes the median",
    "range": "takes the highest less the lowest",
}


def explain(intent: Intent, base: str) -> str:
    """One sentence."""
    parts = [_what(intent, base)]
    conditions = [*intent.conditions]
    if conditions:
        parts.append("where " + " and ".join(_condition(c) for c in conditions))
    parts += [f"with at least one of {_bare(t)}" for t in intent.has]
    parts += [f"without any of {_bare(t)}" for t in intent.lacks]
    if intent.span:
        parts.append(_time(intent))
    groups = [
        *(f"each of {_bare(t)}" for t in intent.group_tables),
        *(f"each {r.column}" for r in intent.group_columns),
    ]
    groups += [f"each {intent.bucket}"] if intent.bucket else []
    if groups:
        parts.append("for " + " and ".join(groups))
    parts += [f"keeping those where {_measure(h.measure)} {_WORDS[h.operator]} {h.value:g}" for h in intent.having]
    for ref, descending in intent.order:
        what = _measure(ref) if isinstance(ref, Measure) else _ref(ref)
        parts.append(f"{'highest' if descending else 'lowest'} {what} first")
    if intent.limit:
        parts.append(f"at most {intent.limit} row{'s' if intent.limit > 1 else ''}")
    sentence = ", ".join(parts)
    return sentence[0].upper() + sentence[1:] + "."


def _what(intent: Intent, base: str) -> str:
    if intent.ratio is not None:
        if intent.against is not None:
            first = " and ".join(_condition(c) for c in intent.ratio_conditions)
            return f"divides the {_bare(base)} where {first} by those where {_condition(intent.against)}"
        share = " and ".join(_condition(c) for c in intent.ratio_conditions)
        return f"the {'percentage' if intent.ratio == 100 else 'share'} of {_bare(base)} where {share}"
    if intent.measures:
        words = " and ".join(_verb(m) for m in intent.measures)
        return f"takes the {intent.outer} of: {words}" if intent.outer else words
    shown = ", ".join(_ref(r) for r in intent.columns)
    return f"lists {shown or _bare(str(intent.target))}"


def _verb(measure: Measure) -> str:
    if measure.function == "count":
        return (
            f"counts the different {measure.column} of {_bare(measure.table)}"
            if measure.column
            else f"counts {_bare(measure.table)}"
        )
    return f"{_FUNCTIONS[measure.function]} {measure.column} of {_bare(measure.table)}"


def _measure(measure: Measure) -> str:
    if measure.function == "count":
        return f"number of {_bare(measure.table)}"
    return f"{measure.function} of {measure.column}"


def _condition(condition: Condition) -> str:
    values = " and ".join(f"“{v}”" if isinstance(v, str) else f"{v:g}" for v in condition.values)
    return f"{_ref(condition.ref)} {_WORDS[condition.operator]} {values}".strip()


def _time(intent: Intent) -> str:
    span = intent.span
    assert span is not None
    since = f"from {span.start:%Y-%m-%d %H:%M}" if span.start else ""
    if span.other:
        return f"side by side over {span.words} and {span.other.words}"
    until = f"before {span.end:%Y-%m-%d %H:%M}" if span.end else ""
    of = f" by {intent.span_ref.column}" if intent.span_ref else ""
    return f"{since} {until} UTC{of}".strip()


def _ref(ref: Ref) -> str:
    return f"{_bare(ref.table)}.{ref.column}"


def _bare(name: str) -> str:
    return name.rpartition(".")[2]
