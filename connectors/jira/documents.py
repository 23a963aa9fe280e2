"""Text in and out of Jira's two forms: documents (Cloud) and wiki text (Data Center). Pure."""

from __future__ import annotations

import re

from pydantic import JsonValue

_MOST_DEPTH = 40
_BLOCKS = frozenset(
    {"paragraph", "heading", "listItem", "codeBlock", "blockquote", "panel", "tableRow", "rule", "mediaSingle"}
)
# Characters that begin macros, links, mentions and images; with a backslash they are plain.
_WIKI = re.compile(r"[{}\[\]!|]")


def as_document(text: str) -> dict[str, JsonValue]:
    """Lines as paragraphs of an Atlassian document. What stands in a text node is never read as markup."""
    content: list[JsonValue] = []
    for line in text.split("\n"):
        inner: list[JsonValue] = [{"type": "text", "text": line}] if line else []
        content.append({"type": "paragraph", "content": inner})
    return {"type": "doc", "version": 1, "content": content}


def as_wiki(text: str) -> str:
    """Text that Data Center shows as it is."""
    return _WIKI.sub(lambda match: "\\" + match[0], text)


def plain(value: JsonValue, *, depth: int = 0) -> str:
    """The words of a document, or of wiki text as it is."""
    if isinstance(value, str):
        return value
    if not isinstance(value, dict) or depth > _MOST_DEPTH:
        return ""
    kind = value.get("type")
    if kind == "text":
        return str(value.get("text") or "")
    if kind == "hardBreak":
        return "\n"
    attributes = value.get("attrs")
    if kind in ("mention", "emoji", "inlineCard", "status", "date") and isinstance(attributes, dict):
        return str(attributes.get("text") or attributes.get("url") or attributes.get("shortName") or "")
    content = value.get("content")
    words = "".join(plain(part, depth=depth + 1) for part in content) if isinstance(content, list) else ""
    return f"{words}\n" if kind in _BLOCKS else words
