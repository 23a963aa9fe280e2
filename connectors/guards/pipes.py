"""A small lexer for query languages without a library: strings, names, numbers, operators, comments."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from connectors.guards.lexer import check_characters
from connectors.guards.model import RefusalError

MAX_PIECES = 4_000


class Piece(NamedTuple):
    """`kind` is word, name (quoted), string, number or op; `text` is as written, `spaced` if after a gap."""

    kind: str
    text: str
    value: str
    spaced: bool = False


@dataclass(frozen=True, slots=True)
class Rules:
    """How a language writes strings, quoted names and comments."""

    strings: str
    names: str = ""
    line_comments: tuple[str, ...] = ()
    block_comments: bool = False
    triple: bool = False
    word_extra: str = ""
    raw: str = ""
    doubled: bool = False


_SPACE = re.compile(r"\s+")
_NUMBER = re.compile(r"\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_LONG_SIGNS = frozenset({"==", "!=", "<=", ">=", "=~", "!~", "::", "|=", "!>", "|>", "|~", "||", "&&", "<>"})
_CLOSERS = {"(": ")", "[": "]", "{": "}"}


@cache
def _word(extra: str) -> re.Pattern[str]:
    more = rf"\u0080-\U0010ffff{re.escape(extra)}"
    return re.compile(rf"[A-Za-z_@{more}][\w@.{more}]*")


def cut(text: str, rules: Rules, *, max_depth: int) -> list[Piece]:
    """Return the pieces of the text without comments."""
    check_characters(text)
    word = _word(rules.word_extra)
    pieces: list[Piece] = []
    open_brackets: list[str] = []
    at, spaced = 0, False
    while at < len(text):
        if (gap := _SPACE.match(text, at)) is not None:
            at, spaced = gap.end(), True
            continue
        if skip := _comment(text, at, rules):
            at, spaced = skip, True
            continue
        piece = _piece(text, at, rules, word, spaced=spaced)
        if piece.kind == "op":
            _balance(piece.text, open_brackets, max_depth)
        pieces.append(piece)
        if len(pieces) > MAX_PIECES:
            raise RefusalError(f"The query has more than {MAX_PIECES} words and signs. Shorten it.")
        at, spaced = at + len(piece.text), False
    if open_brackets:
        raise RefusalError("A bracket is never closed. Close it and try again.")
    return pieces


def _comment(text: str, at: int, rules: Rules) -> int:
    if rules.block_comments and text.startswith("/*", at):
        end = text.find("*/", at + 2)
        if end < 0 or "/*" in text[at + 2 : end]:
            raise RefusalError("A comment is never closed or holds another. Remove it.")
        return end + 2
    if rules.line_comments and text.startswith(rules.line_comments, at):
        end = text.find("\n", at)
        return len(text) if end < 0 else end + 1
    return 0


def _piece(text: str, at: int, rules: Rules, word: re.Pattern[str], *, spaced: bool) -> Piece:
    char = text[at]
    if rules.triple and text.startswith('"""', at):
        end = text.find('"""', at + 3)
        if end < 0:
            raise RefusalError("A string is never closed. Close it and try again.")
        return Piece("string", text[at : end + 3], text[at + 3 : end], spaced)
    if char in rules.strings or char in rules.names or char in rules.raw:
        return _quoted(text, at, char, rules, spaced=spaced)
    if (number := _NUMBER.match(text, at)) is not None:
        return Piece("number", number.group(), number.group(), spaced)
    if (found := word.match(text, at)) is not None:
        return Piece("word", found.group(), found.group().lower(), spaced)
    two = text[at : at + 2]
    sign = two if two in _LONG_SIGNS else char
    return Piece("op", sign, sign, spaced)


def _quoted(text: str, at: int, quote: str, rules: Rules, *, spaced: bool) -> Piece:
    raw = quote in rules.raw or quote in rules.names
    value: list[str] = []
    end = at + 1
    while end < len(text):
        if text[end] == "\\" and not raw:
            value.append(text[end : end + 2])
            end += 2
        elif text[end] == quote and rules.doubled and text.startswith(quote * 2, end):
            value.append(quote)
            end += 2
        elif text[end] == quote:
            kind = "name" if quote in rules.names else "string"
            return Piece(kind, text[at : end + 1], "".join(value), spaced)
        else:
            value.append(text[end])
            end += 1
    raise RefusalError("A string is never closed. Close it and try again.")


def _balance(sign: str, stack: list[str], most: int) -> None:
    if sign in _CLOSERS:
        stack.append(_CLOSERS[sign])
        if len(stack) > most:
            raise RefusalError(f"The query is nested deeper than {most}. Simplify it.")
    elif sign in ")]}" and (not stack or stack.pop() != sign):
        raise RefusalError("The brackets do not match. Correct them and try again.")


def split(pieces: list[Piece], mark: str) -> list[list[Piece]]:
    """Split at a mark outside brackets."""
    parts: list[list[Piece]] = [[]]
    depth = 0
    for piece in pieces:
        if piece.kind == "op":
            depth += (piece.text in "([{") - (piece.text in ")]}")
        if piece.kind == "op" and piece.text == mark and depth == 0:
            parts.append([])
        else:
            parts[-1].append(piece)
    return parts


def join(pieces: list[Piece]) -> str:
    """Write pieces back; every gap and comment becomes one space."""
    return "".join(f" {piece.text}" if piece.spaced else piece.text for piece in pieces).strip()
