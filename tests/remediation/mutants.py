"""`python -m tests.remediation.mutants`: leaves out each approval rule in turn and prints who noticed."""

from __future__ import annotations

import sys

from tests.remediation.test_decisions import mutants


def main() -> int:
    """Exit status 1 when a rule could be deleted without a test that fails."""
    missed = 0
    for table, name, noticed in mutants():
        print(f"{'noticed' if noticed else 'MISSED ':<8} {table:<6} {name}")
        missed += not noticed
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
