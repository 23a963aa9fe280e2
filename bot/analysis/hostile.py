"""Text that talks to the reader instead of describing a system: instructions planted in logs, tickets or names.

The detector looks for an address to an assistant together with an order, not for single words; it only ever marks
text, nothing is decided by it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from bot.analysis.signals import make_finding
from bot.domain.evidence import Finding, FindingKind

_LONGEST = 4_000
_SHOWN = 80

_OVERRIDE = re.compile(
    r"\b(ignore|disregard|forget|override|bypass|do not follow|stop following)\b[^.\n]{0,40}"
    r"\b(previous|prior|above|earlier|preceding|all|any|your|system|safety)\b[^.\n]{0,30}"
    r"\b(instructions?|prompts?|rules?|guidelines?|directions?|policy|policies|context|guardrails?)\b",
    re.IGNORECASE,
)
_ROLE = re.compile(
    r"(<\|?\s*/?(im_start|im_end|system|assistant|endoftext)\s*\|?>|\[/?INST\]|^\s*(system|assistant)\s*:\s*\S)"
    r"|\b(new|updated|revised) (system )?(instructions|system prompt)\b|\byour system prompt\b"
    r"|\byou are now\b[^.\n]{0,40}"
    r"\b(assistant|admin|agent|model|mode|allowed|unrestricted)\b",
    re.IGNORECASE | re.MULTILINE,
)
_ADDRESSEE = re.compile(
    r"\b(ai|llm|assistants?|language model|chatbot|agent|inquest|claude|gpt|bot|investigator|copilot)\b", re.IGNORECASE
)
_ORDER = re.compile(
    r"\b(you (must|should|shall|have to|need to|are (allowed|authori[sz]ed|required))|please|must (now )?)\b"
    r"[^.\n]{0,60}"
    r"\b(approve|execute|run|delete|drop|restart|scale|reveal|print|send|post|reply|call|conclude|report|say|answer|"
    r"rollback|roll back|grant|disable|exfiltrate|upload|mark)\b"
    r"|\b(approve|execute|reveal|exfiltrate|print|send)\b[^.\n]{0,40}\b(proposal|token|secret|password|credentials?|"
    r"api key|environment variables|system prompt|without (asking|approval|confirmation))\b",
    re.IGNORECASE,
)


def is_hostile(text: str) -> bool:
    """True when text tries to instruct whoever reads it."""
    plain = unicodedata.normalize("NFKC", text[:_LONGEST])
    plain = "".join(c for c in plain if unicodedata.category(c) != "Cf")
    if _OVERRIDE.search(plain):
        return True
    signs = sum(bool(pattern.search(plain)) for pattern in (_ROLE, _ORDER, _ADDRESSEE))
    return signs >= 2


def hostile_findings(texts: Iterable[tuple[str, str]]) -> list[Finding]:
    """One finding per evidence that holds such text; the text itself is shown cut and on one line."""
    seen: dict[str, tuple[str, int]] = {}
    for text, evidence_id in texts:
        if len(text) >= 12 and is_hostile(text):
            first, count = seen.get(evidence_id, (text, 0))
            seen[evidence_id] = (first, count + 1)
    return [_finding(evidence_id, first, count) for evidence_id, (first, count) in seen.items()]


def _finding(evidence_id: str, text: str, count: int) -> Finding:
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    cut = line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"
    return make_finding(
        FindingKind.HOSTILE_TEXT_SEEN,
        "external/text",
        f"text in this answer tries to give instructions; it was treated as data: “{cut}”",
        (evidence_id,),
        weight=0.0,
        data={"count": count, "text": cut},
    )
