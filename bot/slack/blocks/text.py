"""Foreign text made safe to show: nothing invisible, no mention, no live link, no open fence."""

from __future__ import annotations

import re
import unicodedata

CUT = "… (cut; full text in the thread)"
CUT_HERE = "… (cut)"
QUOTED_LINES = 40

_ODD = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]"
)
_JOINERS = "\u200c\u200d"
_VISIBLE_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_SCHEME = re.compile(r"\b([a-zA-Z][a-zA-Z0-9+.\-]{1,20}):(?=//)|\b(mailto|tel|javascript|data|slack):", re.IGNORECASE)
_WWW = re.compile(r"\bwww\.(?=\w)", re.IGNORECASE)
_HALF_ENTITY = re.compile(r"&[a-z]{0,4}$")
_ANGLED = re.compile(r"<([^<>\n]{1,3000})>")


def units(text: str) -> int:
    """Length as Slack counts it: UTF-16 code units."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def head(text: str, limit: int) -> str:
    """At most `limit` UTF-16 code units of the text, never half a character."""
    if len(text) * 2 <= limit or units(text) <= limit:
        return text
    cut = text[:limit].encode("utf-16-le", "surrogatepass")[: limit * 2]
    return cut.decode("utf-16-le", "ignore")


def clip(text: str, limit: int, *, note: str = CUT_HERE) -> str:
    """The text, or its beginning and a note that says it was cut."""
    if units(text) <= limit:
        return text
    if limit <= units(note):
        return head(note, limit)
    return head(text, limit - units(note)).rstrip() + note


def visible(text: str) -> str:
    """Control and bidi characters become readable marks; characters without a shape go; newlines are plain."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _ODD.sub(_mark, text)


def _mark(match: re.Match[str]) -> str:
    char = match.group()
    code = ord(char)
    if code < 0x20:
        return chr(0x2400 + code)
    if char in "\u2028\u2029":
        return "\n"
    if char in _VISIBLE_BIDI:
        return f"‹U+{code:04X}›"
    if 0x7F <= code <= 0x9F:
        return "␡" if code == 0x7F else f"‹U+{code:04X}›"
    if char in _JOINERS and _joins(match):
        return char
    return "\ufffd" if 0xD800 <= code <= 0xDFFF else ""


def _joins(match: re.Match[str]) -> bool:
    """A joiner between two letters of a script that needs it, or between two pictures, has a meaning."""
    text, at = match.string, match.start()
    if at == 0 or at + 1 >= len(text):
        return False
    before, after = text[at - 1], text[at + 1]
    return all(ord(c) > 0x2FF and unicodedata.category(c) not in ("Cf", "Cc") for c in (before, after))


def one_line(text: str) -> str:
    """Visible text with every run of white space made one space."""
    return " ".join(visible(text).split())


def defang(text: str) -> str:
    """Addresses stay readable and are no longer links."""
    text = _SCHEME.sub(lambda m: f"{m.group(1) or m.group(2)}[:]", text)
    return _WWW.sub("www[.]", text)


def _plain_marks(text: str) -> str:
    """Foreign asterisks and fences must not turn the rest of the line bold; a template's gap reads as an ellipsis."""
    return text.replace("<*>", "…").replace("*", "∗").replace("```", "'''")


def escape(text: str, limit: int | None = None, *, note: str = CUT_HERE) -> str:
    """Foreign text for mrkdwn: visible, defanged, `& < >` escaped, fences broken, at most `limit` long."""
    if limit is not None and len(text) > limit * 4:
        text, forced = text[: limit * 4], True
    else:
        forced = False
    safe = _plain_marks(defang(visible(text)))
    safe = safe.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    if limit is None or (units(safe) <= limit and not forced):
        return safe
    kept = head(safe, max(0, limit - units(note)))
    return _HALF_ENTITY.sub("", kept).rstrip() + head(note, limit)


def escape_line(text: str, limit: int | None = None, *, note: str = CUT_HERE) -> str:
    """Like `escape`, on one line."""
    if limit is not None and len(text) > limit * 4:
        text = f"{text[: limit * 4]} {note}"
    return escape(one_line(text), limit, note=note)


def quote(text: str, limit: int, *, note: str = CUT) -> str:
    """Foreign text as a mrkdwn quotation, every line marked."""
    lines = [line for line in escape(text.strip(), limit, note=note).split("\n") if line.strip()]
    quoted = "\n".join("> " + line for line in lines[:QUOTED_LINES])
    if len(lines) > QUOTED_LINES or units(quoted) > limit:
        quoted = head(quoted, limit - units(note)).rstrip().removesuffix(">").rstrip() + note
    return quoted or "> (nothing)"


def chunks(text: str, limit: int) -> list[str]:
    """The whole text in pieces of at most `limit` units, cut at a line or a space where there is one."""
    pieces: list[str] = []
    rest = text
    while units(rest) > limit:
        piece = head(rest, limit)
        at = max(piece.rfind("\n"), piece.rfind(" "))
        if at > limit // 2:
            piece = piece[:at]
        piece = _HALF_ENTITY.sub("", piece) or piece
        pieces.append(piece)
        rest = rest[len(piece) :].lstrip("\n ") if at > limit // 2 else rest[len(piece) :]
    return [p for p in [*pieces, rest] if p.strip()] or []


def from_slack(text: str) -> str:
    """What a person meant: Slack's `<…>` notation becomes plain words, entities become characters."""
    plain = _ANGLED.sub(_spoken, text)
    return plain.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _spoken(match: re.Match[str]) -> str:
    inner, _, label = match.group(1).partition("|")
    if inner.startswith(("@", "#")):
        return f"{inner[0]}{label.lstrip('@#') or inner[1:]}"
    if inner.startswith("!"):
        return label or "@" + inner[1:].split("^")[0]
    return inner.removeprefix("mailto:")
