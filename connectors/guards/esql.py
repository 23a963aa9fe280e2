# ruff: noqa: E501 - lists, forms and sentences stay on one line
"""ES|QL: commands and functions by allow-list; a LIMIT is always there."""

from __future__ import annotations

from itertools import pairwise

from connectors.guards.elastic import check_index
from connectors.guards.elastic_query import check_pattern, check_regexp
from connectors.guards.model import Allowed, GuardLimits, RefusalError
from connectors.guards.pipes import Piece, Rules, cut, join, split

_RULES = Rules(strings='"', names="`", line_comments=("//",), block_comments=True, triple=True)
_SOURCES = frozenset({"from", "row", "show", "ts"})
_COMMANDS = frozenset(
    "where eval stats inlinestats keep drop rename sort limit dissect grok mv_expand enrich lookup change_point sample inline top".split()
)
_FUNCTIONS = frozenset(
    """
    avg count count_distinct max median median_absolute_deviation min percentile std_dev variance sum top values
    weighted_avg first last sample absent present bucket tbucket categorize case coalesce greatest least clamp clamp_min
    clamp_max date_diff date_extract date_format date_parse date_trunc now day_name month_name trange ip_prefix
    cidr_match network_direction abs acos acosh asin asinh atan atan2 atanh cbrt ceil cos cosh e exp floor hypot log
    log10 pi pow round round_to scalb signum sin sinh sqrt tan tanh tau copy_sign bit_length byte_length concat contains
    ends_with from_base64 hash left length locate ltrim md5 repeat replace reverse right rtrim sha1 sha256 space split
    starts_with substring to_base64 to_lower to_upper trim url_decode url_encode url_encode_component chunk
    kql match match_phrase qstr score decay knn_none mv_append mv_avg mv_concat mv_contains mv_count mv_dedupe mv_first
    mv_last mv_max mv_median mv_median_absolute_deviation mv_min mv_percentile mv_pseries_weighted_sum mv_slice mv_sort
    mv_sum mv_zip mv_intersection mv_union to_boolean to_date_nanos to_dateperiod to_datetime to_degrees to_double
    to_integer to_ip to_long to_radians to_string to_timeduration to_unsigned_long to_version
    to_geopoint to_cartesianpoint
    to_aggregate_metric_double st_contains st_distance st_within st_intersects st_x st_y st_disjoint json_extract
    avg_over_time count_over_time max_over_time min_over_time sum_over_time last_over_time first_over_time rate irate
    increase idelta delta deriv absent_over_time present_over_time percentile_over_time stddev_over_time
    variance_over_time in and or not like rlike is by
    """.split()
)


def judge(text: str, *, limits: GuardLimits) -> Allowed:
    """Return the regenerated pipeline; raise RefusalError otherwise."""
    pieces = cut(text.strip().removesuffix(";"), _RULES, max_depth=limits.max_depth)
    if any(piece.kind == "op" and piece.text in {";", "?", "{", "}", "\\", "??"} for piece in pieces):
        raise RefusalError("The pipeline holds ; or ? or { }. Write plain commands joined by |.")
    steps = split(pieces, "|")
    if any(not step for step in steps) or len(steps) > 60:
        raise RefusalError("A step of the pipeline is empty, or there are more than 60. Correct it.")
    _check_source(steps[0])
    for step in steps[1:]:
        _check_step(step, limits)
    for step in steps:
        _check_calls(step)
    _check_patterns(pieces)
    return _with_limit(steps, limits)


def _check_source(step: list[Piece]) -> None:
    command = step[0].value
    if step[0].kind != "word" or command not in _SOURCES:
        raise RefusalError(f"A pipeline starts with FROM, TS or ROW; this one starts with '{step[0].text[:30]}'.")
    if command == "show" and [piece.value for piece in step[1:]] not in (["info"],):
        raise RefusalError("Only SHOW INFO is read here.")
    if command in {"from", "ts"}:
        _check_indices(step[1:])


def _check_indices(pieces: list[Piece]) -> None:
    parts = [""]
    for position, piece in enumerate(pieces):
        if piece.kind == "word" and piece.value == "metadata":
            if any(field.kind == "op" and field.text != "," for field in pieces[position + 1 :]):
                raise RefusalError("METADATA takes field names only.")
            break
        if piece.text == ",":
            parts.append("")
        elif piece.text in "([" and piece.kind == "op":
            raise RefusalError("Subqueries in FROM are not read here. Name indices.")
        else:
            parts[-1] += piece.value if piece.kind in {"string", "name"} else piece.text
    for name in parts:
        check_index(name)


def _check_step(step: list[Piece], limits: GuardLimits) -> None:
    command = step[0].value
    if step[0].kind != "word" or command not in _COMMANDS:
        raise RefusalError(
            f"The command '{step[0].text[:30].upper()}' is not on the list of harmless ones. Use WHERE, EVAL, STATS, KEEP, SORT, LIMIT."
        )
    if command == "limit":
        number = step[1].text if len(step) == 2 and step[1].kind == "number" else ""
        if not number.isdigit() or int(number) > limits.max_hits:
            raise RefusalError(f"LIMIT takes a whole number up to {limits.max_hits}.")
    if command == "lookup":
        names = [piece.value for piece in step]
        if len(step) < 4 or names[1] != "join" or "on" not in names:
            raise RefusalError("Only LOOKUP JOIN index ON field is read here.")
        check_index("".join(piece.value for piece in step[2 : names.index("on")]))
    if command == "inline" and (len(step) < 2 or step[1].value != "stats"):
        raise RefusalError("Only INLINE STATS is read here.")


def _check_calls(step: list[Piece]) -> None:
    command = step[0].value
    for before, piece in pairwise(step):
        if piece.text != "(" or piece.kind != "op":
            continue
        if before.kind == "name" or (
            before.kind == "word" and before.value not in _FUNCTIONS and before.value != command
        ):
            raise RefusalError(
                f"The function '{before.text[:40]}' is not on the list of harmless functions. Leave it out."
            )
        if before.kind == "word" and before.value in {"repeat", "space"}:
            _check_repeat(step)


def _check_repeat(step: list[Piece]) -> None:
    if any(piece.kind == "number" and float(piece.text) > 100_000 for piece in step):
        raise RefusalError("A repeated text would be too long. Use a smaller number.")


def _check_patterns(pieces: list[Piece]) -> None:
    for before, piece in pairwise(pieces):
        if piece.kind == "string" and before.kind == "word" and before.value == "like":
            check_pattern(piece.value)
        if piece.kind == "string" and before.kind == "word" and before.value == "rlike":
            check_regexp(piece.value)


def _with_limit(steps: list[list[Piece]], limits: GuardLimits) -> Allowed:
    most = limits.max_rows
    limited = [step for step in steps if step[0].value == "limit"]
    text = " | ".join(join(step) for step in steps)
    if most is None or (limited and min(int(step[1].text) for step in limited) <= most):
        return Allowed(text)
    return Allowed(f"{text} | LIMIT {most}", (f"limited to {most} rows",))
