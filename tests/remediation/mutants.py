"""`python -m tests.remediation.mutants`: deletes each approval rule in turn, in a copy, and tells which test noticed.

The rule is cut out of its table in the copy's source, so that nothing stands in for it; then the tests run there.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = Path("bot/domain/deciding.py")
TABLE = re.compile(r"^(?P<table>[A-Z]+_RULES): .*?^\)$", re.MULTILINE | re.DOTALL)
RULE = re.compile(r'^        "(?P<name>[a-z ]+)": _[a-z_]+,\n', re.MULTILINE)
COPIED = ("bot", "connectors", "migrations", "runbooks", "tests", "pyproject.toml")
# Quick ones first; by themselves, the cases of the decision core are left out with --behaviour.
TESTS = ("test_decisions.py", "test_every_interleaving.py", "test_bad_input.py", "test_carrying_out.py")


def rules(source: str) -> Iterator[tuple[str, str, str]]:
    """Table, rule, and the source without it."""
    for table in TABLE.finditer(source):
        for rule in RULE.finditer(source, table.start(), table.end()):
            yield table["table"], rule["name"], source[: rule.start()] + source[rule.end() :]


def noticed_by(folder: Path, tests: Sequence[str], deselected: Sequence[str]) -> str | None:
    """The first test that fails in the copy; None when all pass."""
    for name in tests:
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
        left_out = [f"--deselect=tests/remediation/{one}" for one in deselected]
        done = subprocess.run(
            [*command, *left_out, f"tests/remediation/{name}"], cwd=folder, capture_output=True, text=True, check=False
        )
        if done.returncode:
            found = re.search(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", done.stdout, re.MULTILINE)
            return found[1] if found else f"{name} (it cannot be run)"
    return None


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 1 when a rule could be deleted without a test that fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--behaviour", action="store_true", help="without the test that compares tables with cases")
    parser.add_argument("--only", help="one table, such as GATE_RULES")
    options = parser.parse_args(arguments)
    missed, seen = 0, 0
    print(f"{'':<8} {'table':<14} {'rule':<18} the first test that fails without it")
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for name in COPIED:
            place = ROOT / name
            (shutil.copytree if place.is_dir() else shutil.copy)(place, folder / name)
        source = (folder / SOURCE).read_text("utf-8")
        left_out = ["test_decisions.py::test_every_rule_has_its_case_and_every_case_its_rule"]
        for table, name, without in rules(source):
            if options.only in (None, table):
                (folder / SOURCE).write_text(without, "utf-8")
                test = noticed_by(folder, TESTS, left_out if options.behaviour else [])
                print(f"{'noticed' if test else 'MISSED ':<8} {table:<14} {name:<18} {test or ''}", flush=True)
                missed, seen = missed + (test is None), seen + 1
    print(f"{seen} rules deleted in turn, {seen - missed} noticed, {missed} missed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
