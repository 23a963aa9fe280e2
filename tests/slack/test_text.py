"""Foreign text made safe, one rule at a time."""

from __future__ import annotations

import pytest

from bot.slack.blocks.text import chunks, clip, escape, escape_line, from_slack, head, quote, units, visible


@pytest.mark.parametrize(
    ("foreign", "shown"),
    [
        ("<!channel>", "&lt;!channel&gt;"),
        ("<@U123> a & b", "&lt;@U123&gt; a &amp; b"),
        ("<https://evil.test|ok>", "&lt;https[:]//evil.test|ok&gt;"),
        ("see https://evil.test now", "see https[:]//evil.test now"),
        ("www.evil.test", "www[.]evil.test"),
        ("mailto:a@b.test", "mailto[:]a@b.test"),
        ("```rm -rf```", "'''rm -rf'''"),
        ("a\x00b\x1b[31m", "a␀b␛[31m"),
        ("abc\u202edef", "abc‹U+202E›def"),
        ("a\u200bb\ufeffc\u00add", "abcd"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("\U000e0041hidden\U000e0042", "hidden"),
        ("10:30 at node:2", "10:30 at node:2"),
        ("ratio 3://4", "ratio 3://4"),
    ],
)
def test_escape(foreign: str, shown: str) -> None:
    assert escape(foreign) == shown


def test_joiners_stay_where_a_script_or_a_picture_needs_them() -> None:
    family = "👩\u200d👩\u200d👧"
    assert visible(family) == family
    assert visible("می\u200cخواهم") == "می\u200cخواهم"
    assert visible("a\u200db") == "ab"


def test_a_cut_says_so_and_splits_nothing() -> None:
    assert clip("x" * 10, 10) == "x" * 10
    assert clip("x" * 20, 12) == "xxxxx… (cut)"
    assert units(clip("🔥" * 50, 31)) <= 31
    assert "\ufffd" not in head("🔥" * 50, 31)
    assert not escape("&" * 100, 43).removesuffix("… (cut)").endswith(("&", "&a", "&am", "&amp"))


def test_chunks_lose_nothing_but_the_space_they_are_cut_at() -> None:
    text = " ".join(f"word{n}" for n in range(2_000))
    pieces = chunks(text, 500)
    assert all(units(p) <= 500 for p in pieces)
    assert " ".join(pieces) == text
    assert "".join(chunks("x" * 1_234, 100)) == "x" * 1_234


def test_quote_marks_every_line() -> None:
    assert quote("a\n\nb <c>", 100) == "> a\n> b &lt;c&gt;"
    assert quote("   ", 100) == "> (nothing)"


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ("why is <https://a.test/x|a.test/x> slow", "why is https://a.test/x slow"),
        ("ask <@U123|ada> in <#C1|payments>", "ask @ada in #payments"),
        ("<!here> 5 &lt; 6 &amp;&amp; x", "@here 5 < 6 && x"),
        ("<!date^1^{date}|yesterday>", "yesterday"),
        ("<mailto:a@b.test|a@b.test>", "a@b.test"),
    ],
)
def test_what_a_person_meant(sent: str, meant: str) -> None:
    assert from_slack(sent) == meant


def test_one_line() -> None:
    assert escape_line(" a\n b\t c ") == "a b c"
    assert len(escape_line("a " * 500_000, 100)) <= 100
