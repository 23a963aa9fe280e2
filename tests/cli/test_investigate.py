"""`inquest investigate` as a person runs it: a process of its own, over the demo's incident."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
QUESTION = "why is checkout slow since 10 minutes?"

pytestmark = pytest.mark.xdist_group("scenarios")


def inquest(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bot", "investigate", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


def test_a_question_ends_in_a_report_and_nothing_else_is_printed() -> None:
    done = inquest(QUESTION, "--demo", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["state"] == "completed"
    assert told["synthesis"]["hypotheses"][0]["cause"] == "bad_deployment"
    assert "Traceback" not in done.stderr


def test_an_empty_question_is_refused_with_an_example() -> None:
    done = inquest("", "--demo")
    assert done.returncode == 2
    assert "What should I investigate? For example:" in done.stderr
    assert "Traceback" not in done.stderr
