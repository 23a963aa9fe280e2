"""Secrets cut in two: by the end of a line that was wrapped, or between two pieces of a text that came apart.

Lines are read as one where the next seems to go on with the last: no time, level, name or word begins it. What is
masked there and spans a cut is replaced, and nothing else; the ordinary passes do the rest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from re import Pattern

from connectors._redaction_kinds import SHAPES

Spans = Callable[[str], Iterable[tuple[int, int, str]]]
_MARKS = {mark for shape in SHAPES if shape.one_word for mark in shape.marks if mark[0].isalnum() and len(mark) > 2}
_BEFORE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=_.~%:@-")
_AFTER = _BEFORE - {":"}
# A line that begins anew: a time, a level, a word, `name:`, `name=`, or the mark of a secret.
_FRESH: Pattern[str] = re.compile(
    r"\d{4}-\d\d-\d\d|\d\d?:\d\d|(?:INFO|WARN|WARNING|ERROR|DEBUG|TRACE|FATAL|CRITICAL|NOTICE)\b"
    r"|[A-Za-z_][\w.-]*\s?[:=](?![=;&\s]|$)|-----"
    rf"|(?:{'|'.join(sorted(re.escape(mark) for mark in _MARKS))})"
)
_WORD: Pattern[str] = re.compile(r"[A-Z]?[a-z]+(?![A-Za-z0-9+/=_~%@-]|\.[A-Za-z0-9])")
_MARK: Pattern[str] = re.compile("|".join(sorted(re.escape(mark) for mark in _MARKS)))
_LAST_RUN: Pattern[str] = re.compile(r"[A-Za-z0-9+/=_.~%@:-]+\Z")
_LONGEST = 65_536
_EDGE = 1_024
_PEM_BEGIN: Pattern[str] = re.compile(r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----")
_PEM_END: Pattern[str] = re.compile(r"-----END (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----")


def mask(text: str, spans: Spans) -> str:
    """The text with every secret masked that goes over the end of a line."""
    cuts = [(begin, end) for begin, end in _cuts(text) if _goes_on(text, begin, text, end, spans)]
    for group in reversed(_groups(text, cuts)):
        begin, end = _line_begin(text, group[0][0]), _line_end(text, group[-1][1])
        text = text[:begin] + _masked(text[begin:end], [(a - begin, b - begin) for a, b in group], spans) + text[end:]
    return text


def mask_pieces(pieces: Sequence[str], spans: Spans) -> list[str]:
    """As many pieces, with every secret masked that goes from one into the next; a private key over many of them."""
    found = list(pieces)
    for at in range(len(found) - 1):
        left, right = found[at], found[at + 1]
        if not left or not right or left[-1].isspace() or right[0].isspace():
            continue
        if not _goes_on(left, len(left), right, 0, spans):
            continue
        tail, head = left[-_EDGE:], right[:_EDGE]
        for begin, end, masked in _spanning(tail + head, [len(tail)], spans):
            if masked.startswith("[personal") and (begin == 0 or end == len(tail) + len(head)):
                continue  # whole cells of a column: two numbers under one another are no card
            found[at] = left[: len(left) - len(tail) + begin] + masked
            found[at + 1] = right[end - len(tail) :]
            break
    return _without_keys(found)


def _without_keys(pieces: list[str]) -> list[str]:
    inside = False
    for at, piece in enumerate(pieces):
        begun = list(_PEM_BEGIN.finditer(piece))
        ended = _PEM_END.search(piece)
        if inside:
            pieces[at] = "[secret:private_key]" + (piece[ended.end() :] if ended else "")
            inside = ended is None
        elif begun and not _PEM_END.search(piece, begun[-1].end()):
            pieces[at], inside = piece[: begun[-1].start()] + "[secret:private_key]", True
    return pieces


def _cuts(text: str) -> Iterator[tuple[int, int]]:
    """The ends of lines between two signs that tokens are made of."""
    at = text.find("\n")
    while 0 <= at < len(text) - 1:
        begin = at - 1 if at and text[at - 1] == "\r" else at
        if begin and text[begin - 1] in _BEFORE and text[at + 1] in _AFTER:
            yield begin, at + 1
        at = text.find("\n", at + 1)


def _goes_on(left: str, end: int, right: str, begin: int, spans: Spans) -> bool:
    """Whether a line may go on with the one before. A word seems to begin anew, unless a secret just broke off."""
    if _FRESH.match(right, begin):
        return False
    if not _WORD.match(right, begin):
        return True
    run = _LAST_RUN.search(left[max(0, end - _EDGE) : end])
    return run is not None and _MARK.search(run.group()) is not None and not any(True for _ in spans(run.group()))


def _groups(text: str, cuts: list[tuple[int, int]]) -> list[list[tuple[int, int]]]:
    """Cuts of neighbouring lines together."""
    groups: list[list[tuple[int, int]]] = []
    for cut in cuts:
        near = bool(groups) and "\n" not in text[groups[-1][-1][1] : cut[0]]
        if near and cut[1] - groups[-1][0][0] < _LONGEST:
            groups[-1].append(cut)
        else:
            groups.append([cut])
    return groups


def _line_begin(text: str, at: int) -> int:
    return max(text.rfind("\n", 0, at) + 1, at - _LONGEST)


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return min(len(text) if end < 0 else end, at + _LONGEST)


def _masked(text: str, cuts: list[tuple[int, int]], spans: Spans) -> str:
    """One paragraph: joined at the cuts, looked through, and put together again with the cuts that are left."""
    parts: list[str] = []
    seams: list[int] = []
    last = 0
    for begin, end in cuts:
        parts.append(text[last:begin])
        seams.append(sum(map(len, parts)))
        last = end
    joined = "".join([*parts, text[last:]])
    found = _spanning(joined, seams, spans)
    if not found:
        return text
    made: list[str] = []
    at = 0
    for begin, end, stand_in in [*found, (len(joined), len(joined), "")]:
        for seam in (s for s in seams if at < s <= begin and s != end):
            made += [joined[at:seam], "\n"]
            at = seam
        made += [joined[at:begin], stand_in]
        at = end
    return "".join(made)


def _spanning(joined: str, seams: list[int], spans: Spans) -> list[tuple[int, int, str]]:
    """What spans a seam, from left to right, none over another."""
    found = [
        one
        for one in spans(joined)
        if any(one[0] < seam < one[1] for seam in seams) and not joined.startswith("-----BEGIN", one[0])
    ]
    kept: list[tuple[int, int, str]] = []
    for one in sorted(found, key=lambda span: (span[0], -span[1])):
        if not kept or one[0] >= kept[-1][1]:
            kept.append(one)
    return kept
