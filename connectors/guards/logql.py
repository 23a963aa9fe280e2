"""LogQL: every stream selector narrows, stages and functions by allow-list, ranges capped."""

from __future__ import annotations

import re

from connectors.guards.model import Allowed, GuardLimits, RefusalError
from connectors.guards.pipes import Piece, Rules, cut, join

_RULES = Rules(strings='"', raw="`", line_comments=("#",))
_FUNCTIONS = frozenset(
    """
    rate bytes_rate count_over_time bytes_over_time absent_over_time sum_over_time avg_over_time max_over_time
    min_over_time first_over_time last_over_time stddev_over_time stdvar_over_time quantile_over_time rate_counter
    sum avg min max count topk bottomk stddev stdvar sort sort_desc approx_topk label_replace vector duration
    duration_seconds bytes ip by without on ignoring group_left group_right and or unless bool unwrap label_format
    """.split()
)
_STAGES = frozenset(
    "json logfmt pattern regexp unpack line_format label_format decolorize drop keep unwrap distinct".split()
)
_COMPARE = frozenset({"=", "==", "!=", ">", ">=", "<", "<=", "=~", "!~"})
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhdwy])")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800, "y": 31_536_000}


def judge(text: str, *, limits: GuardLimits) -> Allowed:
    """Return the regenerated query; raise RefusalError otherwise."""
    pieces = cut(text, _RULES, max_depth=limits.max_depth)
    if not any(piece.text == "{" and piece.kind == "op" for piece in pieces):
        raise RefusalError('LogQL needs a stream selector such as {app="web"}.')
    for index, piece in enumerate(pieces):
        if piece.kind != "op":
            continue
        if piece.text in {";", "\\", "$", "&", "?", "@", "&&", "||", "|>", "<>"} and piece.text != "|>":
            raise RefusalError(f"'{piece.text}' does not belong in LogQL. Remove it.")
        if piece.text == "{":
            _check_selector(pieces, index)
        elif piece.text == "[":
            _check_range(pieces, index, limits)
        elif piece.text == "(" and index and pieces[index - 1].kind == "word":
            _check_call(pieces[index - 1])
        elif piece.text == "|":
            _check_stage(pieces, index)
    return Allowed(join(pieces))


def _check_selector(pieces: list[Piece], start: int) -> None:
    end = next(
        (at for at in range(start, len(pieces)) if pieces[at].kind == "op" and pieces[at].text == "}"), len(pieces)
    )
    inner = pieces[start + 1 : end]
    narrows = False
    for at in range(0, len(inner), 4):
        group = inner[at : at + 4]
        well_formed = (
            len(group) >= 3
            and group[0].kind == "word"
            and group[1].text in {"=", "!=", "=~", "!~"}
            and group[2].kind == "string"
        )
        if not well_formed or (len(group) == 4 and group[3].text != ","):
            raise RefusalError('A stream selector is a list of label="value". Correct it.')
        value = group[2].value
        plain = re.sub(r"\\.|\[[^\]]*\]|\{[^}]*\}", "", value)
        narrows |= group[1].text == "=" and bool(value)
        narrows |= group[1].text == "=~" and all(re.search(r"[A-Za-z0-9]{2}", part) for part in plain.split("|"))
    if not narrows:
        raise RefusalError("The stream selector would read every stream. Match a label's value.")


def _check_range(pieces: list[Piece], start: int, limits: GuardLimits) -> None:
    end = next(
        (at for at in range(start, len(pieces)) if pieces[at].text == "]" and pieces[at].kind == "op"), len(pieces)
    )
    written = "".join(piece.text for piece in pieces[start + 1 : end])
    if not re.fullmatch(r"(?:\d+(?:\.\d+)?(?:ms|[smhdwy]))+", written):
        raise RefusalError("A range is a duration such as [5m]. Correct it.")
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in _DURATION.findall(written))
    if seconds > limits.max_range_s:
        raise RefusalError(f"The range is longer than {limits.max_range_s // 86_400} days. Use a shorter one.")


def _check_call(before: Piece) -> None:
    if before.value not in _FUNCTIONS:
        raise RefusalError(f"The function '{before.text[:40]}' is not on the list of LogQL functions. Leave it out.")


def _check_stage(pieces: list[Piece], at: int) -> None:
    follow = pieces[at + 1] if at + 1 < len(pieces) else None
    after = pieces[at + 2] if at + 2 < len(pieces) else None
    if follow is None or (follow.kind == "op" and follow.text not in {"("}):
        raise RefusalError("A pipeline stage is missing after |. Correct it.")
    if follow.kind == "word" and follow.value not in _STAGES and (after is None or after.text not in _COMPARE):
        raise RefusalError(f"The stage '{follow.text[:40]}' is not on the list of LogQL stages. Leave it out.")
