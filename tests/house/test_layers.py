"""The layer contracts of `.importlinter`, and a package that holds all it needs."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_layers_only_fall() -> None:
    command = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]


def test_the_wheel_holds_the_package_data(tmp_path: Path) -> None:
    """Built without the network: the build tool is in the locked environment."""
    environment = {**os.environ, "PYTHONPATH": ""}
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        env=environment,
    )
    names = zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist()
    for needed in ("bot/demo/workspace/static/index.html", "migrations/env.py", "connectors/kubernetes/__init__.py"):
        assert needed in names
    assert any(name.endswith("entry_points.txt") for name in names)
    assert not any(name.startswith("tests/") for name in names)
