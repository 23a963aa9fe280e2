"""Splits SQL text into tokens by the rules of one dialect, and rewrites what a parser may misread.

The guard lexes twice: the text that came in (to cap it, to drop comments, to refuse tricks) and the
text that goes out (to name every function the server would see). Neither pass trusts the parser.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal, NamedTuple

from connectors.guards.model import RefusalError

MAX_TOKENS = 4_000
Kind = Literal["word", "ident", "string", "number", "op"]


class Token(NamedTuple):
    """`value` is decoded (no quotes); `text` is what is written; `spaced` says white space came before."""

    kind: Kind
    value: str
    text: str
    spaced: bool


@dataclass(frozen=True, slots=True)
class Lexis:
    """How one dialect quotes, escapes and comments."""

    ident_quotes: str
    string_quotes: str
    backslash: bool = False
    brackets: bool = False
    hash_comment: bool = False
    nested_comment: bool = False
    dollar_quote: bool = False
    dash_needs_space: bool = False
    triple: bool = False
    prefixes: frozenset[str] = frozenset()
    hints: bool = False
    dashed_names: bool = False


LEXES: dict[str, Lexis] = {
    "postgres": Lexis('"', "'", nested_comment=True, dollar_quote=True, prefixes=frozenset({"e", "b", "x", "n"})),
    "duckdb": Lexis('"', "'", dollar_quote=True, prefixes=frozenset({"e", "x"})),
    "sqlite": Lexis('"`', "'", brackets=True, prefixes=frozenset({"x"})),
    "mssql": Lexis('"', "'", brackets=True, nested_comment=True, prefixes=frozenset({"n"})),
    "mysql": Lexis(
        "`", "'\"", backslash=True, hash_comment=True, dash_needs_space=True, hints=True,
        prefixes=frozenset({"n", "x", "b", "_utf8", "_utf8mb4", "_latin1", "_binary"}),
    ),
    "clickhouse": Lexis('"`', "'", backslash=True, hash_comment=True),
    "bigquery": Lexis(
        "`", "'\"", backslash=True, hash_comment=True, triple=True, dashed_names=True,
        prefixes=frozenset({"r", "b", "rb", "br"}),
    ),
}  # fmt: skip

_WORD = re.compile(r"[A-Za-z_\u0080-\U0010ffff@#$][\w$@#\u0080-\U0010ffff]*")
_NUMBER = re.compile(r"0[xX][0-9A-Fa-f]+|(?:\d[\d_]*(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")
_SPACE = re.compile(r"[ \t\r\n\f]+")
_DOLLAR = re.compile(r"\$(?:[A-Za-z_][A-Za-z_0-9]*)?\$")
_SIMPLE_ESCAPES = {
    "n": "\n",
    "t": "\t",
    "r": "\r",
    "b": "\b",
    "f": "\f",
    "0": "\0",
    "\\": "\\",
    "'": "'",
    '"': '"',
    "`": "`",
    "/": "/",
}
_OPENERS = {"(": ")", "[": "]", "{": "}"}
_OPERATORS = re.compile(
    r"<=>|->>|#>>|!~~\*|!~\*|@@@|::|->|#>|<=|>=|<>|!=|\|\||&&|:=|=>|==|@>|<@|<<|>>|~~|!~|~\*|\*\*|\?\||\?&|@@|#-"
)
# What nearly every token is, and nothing that a rule below has an opinion on; all else takes the long way:
# white space, then a plain name, a whole number, a sign that begins no longer one, or a string without escapes.
# Possessive, so that nothing is tried twice.
_GAP, _NAME, _DIGITS = r"[ \t\r\n\f]*+", r"[A-Za-z_][A-Za-z_0-9]*+", r"[0-9]++"
_SIGN, _TEXT = r"[,()]|[=<>](?![^ \n\w'])|\.(?![^A-Za-z_])", r"'[^'\\]*+'"
_AFTER_NAME = r"(?![\w$@#\u0080-\U0010ffff'\"`&])"
_COMMON = re.compile(rf"({_GAP})(?:({_NAME}){_AFTER_NAME}|({_DIGITS})(?![\w.])|({_SIGN})|({_TEXT})(?!'))")
_COMMON_RUN = re.compile(rf"(?:{_GAP}(?:{_NAME}{_AFTER_NAME}|{_DIGITS}(?![\w.])|{_SIGN}|{_TEXT}(?!')))*+")
_WIDE_SPACE = re.compile(r"[\t\r\n\f]| {2}")
_BAD_ASCII = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")


class Lexer:
    """One pass over one text."""

    def __init__(self, text: str, *, dialect: str, max_depth: int, max_tokens: int) -> None:
        self.text = text
        self.dialect = dialect
        self.lexis = LEXES[dialect]
        self.max_depth = max_depth
        self.max_tokens = max_tokens
        self.tokens: list[Token] = []
        self._out: list[str] = []
        self._pos = 0
        self._spaced = False
        self._open: list[str] = []

    def run(self) -> tuple[list[Token], str]:
        """Return the tokens and the same text without comments and without tricky literals."""
        check_characters(self.text)
        length = len(self.text)
        while self._pos < length:
            self._run_common()
            if len(self.tokens) > self.max_tokens:
                raise RefusalError(f"The statement has more than {self.max_tokens} words and signs. Shorten it.")
            if self._pos < length:
                self._step()
        if self._open:
            raise RefusalError("A bracket is never closed. Close it and try again.")
        return self.tokens, "".join(self._out).strip()

    def _run_common(self) -> None:
        """Take common tokens as long as they come."""
        text, start, before = self.text, self._pos, len(self.tokens)
        end = self._pos = _COMMON_RUN.match(text, start).end()  # type: ignore[union-attr]
        if end == start:
            return
        found, run = _COMMON.findall(text, start, end), text[start:end]
        if "".join(map("".join, found)) != run:  # not a character may be lost between the two patterns
            raise RefusalError("The statement could not be read safely. Simplify it.")
        append, bracket, make = self.tokens.append, self._bracket, tuple.__new__
        spaced = self._spaced
        for gap, name, digits, sign, quoted in found:
            spaced = spaced or gap != ""
            if name:
                append(make(Token, ("word", name, name, spaced)))
            elif sign:
                if sign in "()":
                    bracket(sign)
                append(make(Token, ("op", sign, sign, spaced)))
            elif digits:
                append(make(Token, ("number", digits, digits, spaced)))
            else:
                append(make(Token, ("string", quoted[1:-1], quoted, spaced)))
            spaced = False
        self._spaced = False
        if _WIDE_SPACE.search(run) is not None:
            run = "".join(f" {token.text}" if token.spaced else token.text for token in self.tokens[before:])
        self._out.append(run)

    def _step(self) -> None:
        text, pos, char = self.text, self._pos, self.text[self._pos]
        if (space := _SPACE.match(text, pos)) is not None:
            self._skip(space.end())
        elif self._comment_at(pos):
            return
        elif char in self.lexis.string_quotes:
            self._string("", raw=False)
        elif char in self.lexis.ident_quotes or (char == "[" and self.lexis.brackets):
            self._quoted_ident(char)
        elif char == "$" and self.lexis.dollar_quote and (tag := _DOLLAR.match(text, pos)):
            self._dollar(tag.group())
        elif char in "\"`'":
            raise RefusalError(
                f"The quote {char} is not used this way in {self.dialect}. Use the dialect's own quotes."
            )
        elif (number := _NUMBER.match(text, pos)) is not None:
            self._number(number)
        elif (word := _WORD.match(text, pos)) is not None:
            self._word(word.group())
        else:
            self._operator(char)

    def _skip(self, end: int) -> None:
        self._out.append(" ")
        self._pos, self._spaced = end, True

    def _emit(self, kind: Kind, value: str, text: str, *, end: int) -> None:
        self.tokens.append(Token(kind, value, text, self._spaced))
        self._out.append(text)
        self._pos, self._spaced = end, False

    def _comment_at(self, pos: int) -> bool:
        text, lexis = self.text, self.lexis
        if text.startswith("/*", pos):
            self._block_comment(pos)
            return True
        dash = text.startswith("--", pos)
        if dash and lexis.dash_needs_space and pos + 2 < len(text) and text[pos + 2] not in " \t\r\n\f":
            self._emit("op", "-", "- ", end=pos + 1)
            return True
        if dash or (lexis.hash_comment and text[pos] == "#"):
            ends = [found for found in (text.find("\n", pos),) if found >= 0]
            end = ends[0] if ends else len(text)
            if "\r" in text[pos:end].rstrip("\r"):
                raise RefusalError("A comment holds a carriage return, which databases read differently. Remove it.")
            self._skip(end)
            return True
        return False

    def _block_comment(self, pos: int) -> None:
        text = self.text
        if text.startswith(("/*!", "/*M!", "/*m!"), pos):
            raise RefusalError("Comments of the form /*! … */ are run by MySQL and MariaDB. Remove the comment.")
        if self.lexis.hints and text.startswith("/*+", pos):
            raise RefusalError("Optimizer hints can change server limits. Remove the /*+ … */ hint.")
        depth, at = 1, pos + 2
        while depth:
            close, inner = text.find("*/", at), text.find("/*", at)
            if close < 0:
                raise RefusalError("A comment is never closed. Close it or remove it.")
            if 0 <= inner < close:
                if not self.lexis.nested_comment:
                    raise RefusalError("A comment holds another comment, which databases read differently. Remove it.")
                depth, at = depth + 1, inner + 2
            else:
                depth, at = depth - 1, close + 2
        self._skip(at)

    def _string(self, prefix: str, *, raw: bool) -> None:
        start = self._pos
        quote_at = start + len(prefix)
        quote = self.text[quote_at]
        if self.lexis.triple and self.text.startswith(quote * 3, quote_at):
            raise RefusalError("Strings in triple quotes are not read here. Use a string in single quotes.")
        escapes = self.lexis.backslash or prefix.lower() == "e"
        value, end = self._scan_string(quote_at + 1, quote, escapes=escapes, raw=raw)
        written = self.text[start:end]
        if prefix.lower() == "e":
            written = _plain(value)
        self._emit("string", value, written, end=end)

    def _scan_string(self, at: int, quote: str, *, escapes: bool, raw: bool) -> tuple[str, int]:
        text, parts = self.text, []
        while at < len(text):
            char = text[at]
            if char == "\\" and escapes:
                parts.append(text[at : at + 2] if raw else self._escape(at))
                at += 2
            elif char == quote:
                if not text.startswith(quote * 2, at) or self.dialect == "bigquery":
                    return "".join(parts), at + 1
                parts.append(quote)
                at += 2
            else:
                parts.append(char)
                at += 1
        raise RefusalError("A string is never closed. Close it and try again.")

    def _escape(self, at: int) -> str:
        follow = self.text[at + 1 : at + 2]
        if self.dialect == "mysql" and follow in "%_Z":
            return "\\" + follow
        if follow in _SIMPLE_ESCAPES and follow != "0":
            return _SIMPLE_ESCAPES[follow]
        if self.lexis.backslash and follow in "dDwWsS.?*+()[]{}|^$-":
            return "\\" + follow
        raise RefusalError(f"The escape \\{follow} in a string is not read here. Write the character itself.")

    def _quoted_ident(self, quote: str) -> None:
        close = "]" if quote == "[" else quote
        at, text = self._pos + 1, self.text
        parts: list[str] = []
        while True:
            end = text.find(close, at)
            if end < 0:
                raise RefusalError("A quoted name is never closed. Close it and try again.")
            parts.append(text[at:end])
            if not text.startswith(close * 2, end):
                break
            parts.append(close)
            at = end + 2
        name = "".join(parts)
        if not name or len(name) > 128 or any(char in "\\\n\r\"`'[]" for char in name):
            raise RefusalError("A quoted name is empty, too long or holds quotes or backslashes. Use a plain name.")
        self._emit("ident", name, text[self._pos : end + 1], end=end + 1)

    def _dollar(self, tag: str) -> None:
        start = self._pos + len(tag)
        end = self.text.find(tag, start)
        if end < 0:
            raise RefusalError("A dollar-quoted string is never closed. Close it and try again.")
        value = self.text[start:end]
        self._emit("string", value, _plain(value), end=end + len(tag))

    def _number(self, number: re.Match[str]) -> None:
        end = number.end()
        if (
            end < len(self.text)
            and (self.text[end].isalpha() or self.text[end] == "_")
            and self.dialect not in {"clickhouse", "mysql", "bigquery"}
        ):
            raise RefusalError(f"'{self.text[number.start() : end + 1]}' is neither a number nor a name. Add a space.")
        self._emit("number", number.group(), number.group(), end=end)

    def _word(self, word: str) -> None:
        end = self._pos + len(word)
        follow = self.text[end : end + 1]
        if word.lower() == "u" and self.text.startswith("&", end) and self.text[end + 1 : end + 2] in ("'", '"'):
            raise RefusalError("Names and strings with U& escapes are refused. Write the characters themselves.")
        if follow in self.lexis.string_quotes and follow:
            if word.lower() not in self.lexis.prefixes:
                raise RefusalError(f"'{word}' stands right before a quote. Put a space or an operator between them.")
            self._string(word, raw="r" in word.lower())
            return
        self._emit("word", word, word, end=end)

    def _bracket(self, char: str) -> None:
        if char in _OPENERS:
            self._open.append(_OPENERS[char])
            if len(self._open) > self.max_depth:
                raise RefusalError(f"The query is nested deeper than {self.max_depth} brackets. Simplify it.")
        elif not self._open or self._open.pop() != char:
            raise RefusalError("The brackets do not match. Correct them and try again.")

    def _operator(self, char: str) -> None:
        if char in "()[]{}":
            self._bracket(char)
        if char == "\\":
            raise RefusalError("A backslash outside a string is refused. Remove it.")
        found = _OPERATORS.match(self.text, self._pos)
        text = found.group() if found else char
        if "/*" in self.text[self._pos : self._pos + len(text) + 1] or "--" in text:
            text = char
        self._emit("op", text, text, end=self._pos + len(text))


def _plain(value: str) -> str:
    if "\\" in value and any(ord(char) < 32 for char in value):
        raise RefusalError("A string mixes backslashes and control characters. Write it as a plain string.")
    return "'" + value.replace("'", "''") + "'"


def check_characters(text: str) -> None:
    """Refuse control characters, odd spaces and invisible or direction-changing characters."""
    if text.isascii():
        odd = _BAD_ASCII.search(text)
        bad = odd.group() if odd else None
    else:
        bad = next((char for char in text if _is_odd(char)), None)
    if bad is not None:
        raise RefusalError(
            f"The text holds the character U+{ord(bad):04X}, which is read in different ways. Remove it."
        )


def _is_odd(char: str) -> bool:
    if char.isascii():
        return (ord(char) < 32 and char not in "\t\r\n\f") or ord(char) == 127
    return unicodedata.category(char) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zs", "Zl", "Zp"}


def lex(text: str, *, dialect: str, max_depth: int = 100, max_tokens: int = MAX_TOKENS) -> tuple[list[Token], str]:
    """Return tokens and the comment-free text; raise RefusalError for what may be misread."""
    return Lexer(text, dialect=dialect, max_depth=max_depth, max_tokens=max_tokens).run()
