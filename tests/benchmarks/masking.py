"""Planted secrets in every dress through every sink: `python -m tests.benchmarks.masking --count 10000`

Forty kinds, each plain, as base64, URL-encoded, JSON-escaped twice, split over lines, split over pieces. A secret
leaks when twelve characters in a row of it (of its dressed form, too) come out anywhere.
"""

from __future__ import annotations

import argparse
import base64
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import quote

from connectors.redaction import redact_json, redact_text
from tests.benchmarks.machine import speed_line
from tests.benchmarks.masking_kinds import KINDS, Planted, look_alikes, planted

WINDOW = 12


def _plain(one: Planted, _: random.Random) -> list[str]:
    return [f"2026-11-20 14:02:11 ERROR shop {one.text}"]


def _base64(one: Planted, rng: random.Random) -> list[str]:
    packed = base64.b64encode(f"{'x' * rng.randrange(3)} {one.text}".encode()).decode()
    return [f"payload={packed} decoded"]


def _url(one: Planted, _: random.Random) -> list[str]:
    return [f"GET /log?m={quote(one.text, safe='')}&n=1 200"]


def _json(one: Planted, _: random.Random) -> list[str]:
    return [json.dumps({"log": json.dumps({"message": one.text, "path": "a/b"})}).replace("/", "\\/")]


def _lines(one: Planted, rng: random.Random) -> list[str]:
    at = one.text.index(one.core) + rng.randrange(3, max(4, len(one.core) - 3))
    return [f"before\n{one.text[:at]}\n{one.text[at:]}\nafter"]


def _pieces(one: Planted, rng: random.Random) -> list[str]:
    at = one.text.index(one.core) + rng.randrange(3, max(4, len(one.core) - 3))
    return ["before", one.text[:at], one.text[at:], "after"]


DRESSES: dict[str, Callable[[Planted, random.Random], list[str]]] = {
    "plain": _plain, "base64": _base64, "url": _url, "json": _json, "lines": _lines, "pieces": _pieces,
}  # fmt: skip


def leaks(one: Planted, dress: str, out: str) -> bool:
    """Whether twelve characters in a row of the secret are in the text, as they are or dressed."""
    return any(part in out for part in parts(one, dress))


def parts(one: Planted, dress: str) -> list[str]:
    """Every twelve characters in a row of a secret; the whole of a shorter one."""
    forms = _forms(one, dress)
    return [form[at : at + WINDOW] for form in forms for at in range(max(1, len(form) - WINDOW + 1))]


def _forms(one: Planted, dress: str) -> list[str]:
    core = one.core.replace("\n", "")
    if dress == "base64":
        shifted = [
            base64.b64encode((" " * shift + one.core).encode()).decode()[4 if shift else 0 : -4] for shift in range(3)
        ]
        return [core, *shifted]
    return [core, quote(core, safe="")] if dress == "url" else [core]


def run(count: int, *, seed: int) -> tuple[Counter[str], list[str]]:
    """`count` secrets, in turn of every kind and dress; counts by kind and dress, and the first leaks."""
    tally: Counter[str] = Counter()
    shown: list[str] = []
    rng = random.Random(seed)
    names, dresses = list(KINDS), list(DRESSES)
    for number in range(count):
        one, dress = planted(names[number % len(names)], rng), dresses[number // len(names) % len(dresses)]
        out = "\n".join(str(piece) for piece in redact_json(list(DRESSES[dress](one, rng))))  # type: ignore[union-attr]
        tally["planted"] += 1
        if leaks(one, dress, out):
            sort = "structured" if one.structured else "free-form"
            tally[f"leaked {sort}"] += 1
            tally[f"  {dress:<7} {one.kind}"] += 1
            shown.append(f"{dress} {one.kind}: {out[:160]!r}")
    return tally, shown


def look_alike_ratio(count: int, *, seed: int) -> float:
    """How many harmless look-alikes are touched."""
    rng = random.Random(seed)
    texts = [text for _ in range(count // 20 + 1) for text in look_alikes(rng)][:count]
    touched = [text for text in texts if redact_text(text) != text]
    for text in touched[:5]:
        print(f"masked look-alike: {text} → {redact_text(text)}")
    return len(touched) / len(texts)


def megabytes_per_s(*, seed: int) -> float:
    """Over log-like text, one secret in two hundred lines."""
    rng = random.Random(seed)
    lines = [rng.choice(look_alikes(rng)) for _ in range(12_000)]
    for at in range(0, len(lines), 200):
        lines[at] = planted(rng.choice(list(KINDS)), rng).text
    text = [f"2026-11-20T14:02:11Z INFO shop-{n % 9} {line}" for n, line in enumerate(lines)]
    blocks = ["\n".join(text[at : at + 100]) for at in range(0, len(text), 100)]
    began = time.process_time()
    for block in blocks:
        redact_text(block)
    return sum(len(block) for block in blocks) / 1e6 / (time.process_time() - began)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    print(speed_line())
    tally, shown = run(options.count, seed=options.seed)
    for name in sorted(tally):
        print(f"{name:<28} {tally[name]:>7,}")
    print("\n".join(shown[:10]))
    alike = look_alike_ratio(options.count, seed=options.seed)
    print(f"look-alikes masked: {100 * alike:.3f} %")
    print(f"speed: {megabytes_per_s(seed=options.seed):.1f} MB/s of one core's time")
    if options.out:
        options.out.write_text(json.dumps({**tally, "look_alikes_ratio": alike}, indent=1), encoding="utf-8")
    return 1 if tally["leaked structured"] or alike > 0.002 else 0


if __name__ == "__main__":
    sys.exit(main())
