# ruff: noqa: E501 - lists, forms and sentences stay on one line
"""NRQL: one query, functions by allow-list, LIMIT capped."""

from __future__ import annotations

from itertools import pairwise

from connectors.guards.model import Allowed, GuardLimits, RefusalError
from connectors.guards.pipes import Piece, Rules, cut, join

_RULES = Rules(strings="'\"", names="`", line_comments=("--", "//"), block_comments=True)
_MAX_LIMIT = 5_000
_WORDS = frozenset(
    "in not and or by where as if facet select from since until with over like rlike join on union values limit slide compare".split()
)
_FUNCTIONS = frozenset(
    """
    aggregationendtime apdex average avg bucketpercentile cardinality cases count derivative dimensions earliest
    eventtype filter funnel histogram keyset latest latestrate max median min mode percentage percentile predictlinear
    rate stddev stdvar sum uniquecount uniques abs accountid aparse blob buckets bytecountestimate
    capture ceil clamp_max
    clamp_min concat convert cidraddress dateof dayofmonthof decode encode entityguid exp floor getcdfcount getfield
    hourof if index indexof iscidripv4 jparse jsonparse length ln log log10 log2 lookup lower ltrim mapkeys mapvalues
    max_over_time metric minuteof mod monthof numeric pow position quarterof replace round rtrim split sqrt string
    stringof substring timestamp tolower todatetime totimestamp toupper trim upper weekdayof weekof yearof boolean
    datetimeof tostring currenttimemillis string_to_json metricformat aggregationstarttime stddev_pop countdistinct
    """.split()
)


def judge(text: str, *, limits: GuardLimits) -> Allowed:
    """Return the regenerated query; raise RefusalError otherwise."""
    pieces = cut(text.strip().removesuffix(";"), _RULES, max_depth=limits.max_depth)
    words = [piece.value for piece in pieces if piece.kind == "word"]
    if not pieces or pieces[0].kind != "word" or pieces[0].value not in {"select", "from", "show", "with"}:
        raise RefusalError("NRQL starts with SELECT or FROM. Write one query.")
    if pieces[0].value == "show":
        if words[:3] != ["show", "event", "types"] and words[:3] != ["show", "eventtype"]:
            raise RefusalError("Only SHOW EVENT TYPES is read here.")
    elif "select" not in words or "from" not in words:
        raise RefusalError("NRQL needs SELECT and FROM.")
    for piece in pieces:
        if piece.kind == "op" and piece.text in {";", "{", "}", "\\", "$", "|", "&", "#", "~", "^"}:
            raise RefusalError(f"'{piece.text}' does not belong in NRQL. Remove it.")
    for before, piece in pairwise(pieces):
        if piece.text == "(" and piece.kind == "op" and before.kind in {"word", "name"}:
            _check_call(before)
    return _limited(pieces, limits)


def _check_call(before: Piece) -> None:
    if before.kind == "name" or (before.value not in _FUNCTIONS and before.value not in _WORDS):
        raise RefusalError(f"The function '{before.text[:40]}' is not on the list of NRQL functions. Leave it out.")


def _limited(pieces: list[Piece], limits: GuardLimits) -> Allowed:
    most = min(_MAX_LIMIT, limits.max_rows or _MAX_LIMIT)
    notes: tuple[str, ...] = ()
    for index, piece in enumerate(pieces[:-1]):
        follow = pieces[index + 1]
        if piece.kind == "word" and piece.value == "limit" and (follow.value == "max" or follow.text.isdigit()):
            if follow.value == "max" and most == _MAX_LIMIT:
                continue
            if follow.value == "max" or int(follow.text) > most:
                pieces[index + 1] = Piece("number", str(most), str(most), spaced=True)
                notes = (f"limited to {most} rows",)
    return Allowed(join(pieces), notes)
