"""Masks secrets and personal data, so that evidence can be shown, stored and reasoned over.

The same value always becomes the same placeholder, `[secret:KIND:HASH]` or `[personal:KIND:HASH]`, so a diagnosis
still correlates. What looks like a secret but is none (UUIDs, SHAs, trace ids, epoch numbers) stays as it is unless
the name beside it says that it is one. Masking twice changes nothing.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from re import Match, Pattern
from typing import NamedTuple
from urllib.parse import quote, unquote

from pydantic import JsonValue

from connectors import _redaction_wrapped as wrapped
from connectors._redaction_kinds import (
    BASE64_RUN,
    BASIC,
    CARD,
    EMAIL,
    HEXADECIMAL,
    IBAN,
    KEYED_START,
    KEYED_VALUE,
    KEYED_WORDS,
    PHONE,
    PLAIN_ID,
    RUN,
    SECRET_KEY,
    SHAPES,
    WEAK_KEYS,
    WORD,
)

_PLACEHOLDER = re.compile(r"\[(?:secret|personal):[a-z0-9_]+(?::[0-9a-f]{6})?\]")
_SIGNS = re.compile(r"^(?:%[0-9A-Fa-f]{2})+")
MAX_ERROR_TEXT = 300
KINDS = frozenset({shape.kind for shape in SHAPES} | {"value", "basic", "base64", "email", "phone", "card", "iban"})
"""Every kind that a placeholder can name."""
_TEXT_BYTES = bytes(range(32, 127)) + b"\t\r\n"


class _Key:
    """The hash key: random for this process until the application sets its own."""

    value: bytes = secrets.token_bytes(32)
    keeper: Callable[[str, str, str], None] | None = None


def set_redaction_key(key: bytes) -> None:
    """Use this key for placeholders, so that processes and restarts agree. At least 16 bytes."""
    if len(key) < 16:
        raise ValueError("a redaction key needs at least 16 bytes")
    _Key.value = hashlib.blake2b(key, digest_size=32).digest()


def set_value_keeper(keep: Callable[[str, str, str], None] | None) -> None:
    """Tell `keep` of every value that is masked (placeholder, kind, value), in whatever thread; None: nobody."""
    _Key.keeper = keep


def is_placeholder(text: str) -> bool:
    """Whether this is what a masked value became, and nothing more."""
    return _PLACEHOLDER.fullmatch(text) is not None


def placeholder(kind: str, value: str, *, family: str = "secret") -> str:
    """The stand-in for a value: same value, same stand-in."""
    digest = hashlib.blake2b(value.encode("utf-8", "surrogatepass"), key=_Key.value, digest_size=3).hexdigest()
    made = f"[{family}:{kind}:{digest}]"
    if _Key.keeper is not None:
        _Key.keeper(made, kind, value)
    return made


def redact_text(text: str) -> str:
    """The text with every known secret and personal datum replaced."""
    if len(text) < 6:
        return text
    if "\n" in text:
        text = wrapped.mask(text, _spans)
    masked = _redact_plain(text)
    if "%" in masked:
        masked = RUN.sub(_escaped, masked)
    return _redact_base64(masked)


def redact_pieces(pieces: Sequence[str]) -> list[str]:
    """Texts that follow one another, such as lines of a log: a secret cut between two of them is found, too."""
    if len(pieces) < 2:
        return [redact_text(piece) for piece in pieces]
    return [redact_text(piece) for piece in wrapped.mask_pieces(pieces, _spans)]


def redact_json(value: JsonValue) -> JsonValue:
    """The value with texts redacted, and whatever sits under a secret-sounding key masked whole."""
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, list):
        texts = [item for item in value if isinstance(item, str)]
        if len(texts) == len(value):
            return list(redact_pieces(texts))
        return [redact_json(item) for item in value]
    if isinstance(value, dict):
        named = value.get("name")
        secret_pair = isinstance(named, str) and "value" in value and is_secret_key(named)
        return {
            redact_text(key): _masked(item)
            if is_secret_key(key) or (secret_pair and key == "value")
            else redact_json(item)
            for key, item in value.items()
        }
    return value


def clean_text(text: str, secrets: Sequence[str] = ()) -> str:
    """One short line without the given secrets or anything that looks like one."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "[secret]")
    line = " ".join(redact_text(text[: MAX_ERROR_TEXT * 8]).split())
    return line if len(line) <= MAX_ERROR_TEXT else line[: MAX_ERROR_TEXT - 1] + "…"


def is_secret_key(key: str) -> bool:
    """True when a field of this name holds a secret (`db_password`, `apiKey`), not when it counts them (`tokens`)."""
    return SECRET_KEY.fullmatch(key) is not None


def _masked(value: JsonValue) -> JsonValue:
    if value is None or isinstance(value, bool) or value == "":
        return value
    if isinstance(value, str):
        return value if _PLACEHOLDER.fullmatch(value) else placeholder("value", value)
    if isinstance(value, list):
        return [_masked(item) for item in value]
    if isinstance(value, dict):
        return {key: _masked(item) for key, item in value.items()}
    return placeholder("value", str(value))


class _Pass(NamedTuple):
    marks: tuple[str, ...]
    pattern: Pattern[str]
    replace: Callable[[Match[str]], str]
    folded: bool = False
    one_word: bool = False


def _redact_plain(text: str) -> str:
    for one in _wanted(text):
        text = _sub_keyed(text) if one.pattern is KEYED_VALUE else one.pattern.sub(one.replace, text)
    text = CARD.sub(_card, text)
    return IBAN.sub(_iban, text)


def _wanted(text: str) -> list[_Pass]:
    """The passes whose marks are in the text."""
    folded = text.lower()
    words = "\n".join(word for word in set(WORD.findall(text)) if not PLAIN_ID.fullmatch(word))
    return [
        one
        for one in _PASSES
        if any(mark in (words if one.one_word else folded if one.folded else text) for mark in one.marks)
    ]


def _spans(text: str) -> Iterator[tuple[int, int, str]]:
    """Begin, end and stand-in of everything in the text that is masked."""
    passes = [(one.pattern, one.replace) for one in _wanted(text)]
    for pattern, replace in (*passes, (CARD, _card), (IBAN, _iban), (BASE64_RUN, _wrapped)):
        for match in pattern.finditer(text):
            masked = replace(match)
            if masked != match.group():
                yield match.start(), match.end(), masked


def _sub_keyed(text: str) -> str:
    """`KEYED_VALUE.sub`, many times as fast: the names are looked for in small letters first."""
    folded = text.lower()
    if len(folded) != len(text):  # a few letters of a few languages
        return KEYED_VALUE.sub(_keyed, text)
    parts: list[str] = []
    done = at = 0
    while (start := KEYED_START.search(folded, at)) is not None:
        match = KEYED_VALUE.match(text, start.start())
        if match is None:
            at = start.start() + 1
            continue
        parts += [text[done : match.start()], _keyed(match)]
        done = at = match.end()
    return "".join([*parts, text[done:]]) if parts else text


def _escaped(match: Match[str]) -> str:
    """A URL-encoded run: masked when what it says holds a secret."""
    run = match.group()
    if "%" not in run:
        return run
    said = unquote(run)
    masked = _redact_base64(_redact_plain(said))
    return run if masked == said else quote(masked, safe="[]:/?=;,@+!*()$|~{}")


def _shape(kind: str) -> Callable[[Match[str]], str]:
    def replace(match: Match[str]) -> str:
        held = match.groupdict().get("secret")
        if held is None:
            return placeholder(kind, match.group())
        if _PLACEHOLDER.match(held):
            return match.group()
        start, end = match.span("secret")
        offset = match.start()
        whole = match.group()
        return whole[: start - offset] + placeholder(kind, held) + whole[end - offset :]

    return replace


_HARMLESS = frozenset(
    {"null", "none", "true", "false", "nil", "undefined", "required", "missing", "invalid", "expired"}
)


def _keyed(match: Match[str]) -> str:
    group = next(name for name in ("quoted", "squoted", "bare") if match[name] is not None)
    value = match[group]
    if not _is_secret_value(match["key"].lower(), value):
        return match.group()
    start = match.start(group) - match.start()
    whole = match.group()
    return whole[:start] + placeholder("value", value) + whole[start + len(value) :]


def _is_secret_value(key: str, value: str) -> bool:
    if not value.strip("*•xX.-_ ") or value.lower() in _HARMLESS:
        return False
    if _SIGNS.sub("", value).startswith(("[secret", "[personal", "${", "{{", "<", "$(")):
        return False
    if key.endswith("pwd") and value.startswith("/"):
        return False
    if key.rsplit("_", 1)[-1].rsplit("-", 1)[-1] in WEAK_KEYS:
        return len(value) >= 8 and any(c.isdigit() for c in value)
    return len(value) >= 3


def _basic(match: Match[str]) -> str:
    decoded = _decoded(match["secret"])
    return match.group() if decoded is None or ":" not in decoded else f"Basic {placeholder('basic', match['secret'])}"


def _email(match: Match[str]) -> str:
    return placeholder("email", match.group().replace("%40", "@").lower(), family="personal")


def _phone(match: Match[str]) -> str:
    digits = re.sub(r"\D", "", match.group())
    if not 9 <= len(digits) <= 15:
        return match.group()
    return placeholder("phone", digits, family="personal")


def _card(match: Match[str]) -> str:
    digits = re.sub(r"[ -]", "", match.group())
    if not _issuer_fits(digits) or not _luhn(digits):
        return match.group()
    return placeholder("card", digits, family="personal")


def _issuer_fits(digits: str) -> bool:
    """Issuer ranges of ISO/IEC 7812 in use; what they exclude (epochs begin with 1) is never a card."""
    two, three, four = int(digits[:2]), int(digits[:3]), int(digits[:4])
    match len(digits):
        case 14:
            return 300 <= three <= 305 or two in {36, 38, 39}
        case 15:
            return two in {34, 37}
        case 16:
            return digits[0] == "4" or 51 <= two <= 55 or 2221 <= four <= 2720 or two in {35, 60, 62, 64, 65}
        case 19:
            return digits[0] == "4" or two == 62
        case _:
            return False


def _luhn(digits: str) -> bool:
    """ISO/IEC 7812-1, annex B."""
    doubled = [int(d) * (1 + (i % 2)) for i, d in enumerate(reversed(digits))]
    return sum(d - 9 if d > 9 else d for d in doubled) % 10 == 0


def _iban(match: Match[str]) -> str:
    """ISO 13616: letters become numbers, the first four signs go last, and the rest by 97 is one."""
    compact = match.group().replace(" ", "")
    if not 15 <= len(compact) <= 34:
        return match.group()
    number = "".join(str(int(sign, 36)) for sign in compact[4:] + compact[:4])
    if int(number) % 97 != 1:
        return match.group()
    return placeholder("iban", compact, family="personal")


def _redact_base64(text: str) -> str:
    """Masks base64 runs whose decoded text holds a secret; other runs stay."""
    return BASE64_RUN.sub(_wrapped, text)


def _wrapped(match: Match[str]) -> str:
    run = match.group()
    if HEXADECIMAL.fullmatch(run):
        return run  # ids and checksums; base64 of text has other letters
    decoded = _decoded(run)
    if decoded is None or _redact_plain(decoded) == decoded:
        return run
    return placeholder("base64", run)


def _decoded(run: str) -> str | None:
    """The text inside a base64 run, standard or URL-safe; None when it is not text."""
    body = run.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        raw = base64.b64decode(body + "=" * (-len(body) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
    if raw.translate(None, _TEXT_BYTES):
        return None
    return raw.decode("ascii")


_PASSES: tuple[_Pass, ...] = (
    *(_Pass(s.marks, s.pattern, _shape(s.kind), s.folded, s.one_word) for s in SHAPES),
    _Pass(("basic ",), BASIC, _basic, folded=True),
    _Pass(KEYED_WORDS, KEYED_VALUE, _keyed, folded=True),
    _Pass(("@", "%40"), EMAIL, _email),
    _Pass(("+",), PHONE, _phone),
)
