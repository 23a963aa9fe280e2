"""What all servers share: where binaries are, a private directory, waiting until ready, and stopping."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import pytest

ServerT = TypeVar("ServerT")


class MissingServer(Exception):
    """The server is not installed; the message says how to install it."""


class OptionalServer(MissingServer):
    """An engine too large for the README's set-up; its tests run where `scripts/install-test-engines` was run."""


def require(start: Callable[[], ServerT]) -> ServerT:
    """Start a server, or skip the test with the reason; with CI=true a missing server is a failure."""
    try:
        return start()
    except MissingServer as error:
        if os.environ.get("CI") == "true" and not isinstance(error, OptionalServer):
            pytest.fail(f"CI must have every server: {error}")
        pytest.skip(reason=str(error))


def binary(name: str, *, folders: Sequence[str] = (), install: str) -> str:
    """The path of an executable, or MissingServer."""
    for folder in folders:
        candidate = Path(folder) / name
        if candidate.exists():
            return str(candidate)
    found = shutil.which(name)
    if found is None:
        raise MissingServer(f"{name} is not installed. Install it with: {install}")
    return found


def unprivileged_user() -> str | None:
    """A user to run as when we are root, since databases refuse root; None when we are not."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    raise MissingServer("No unprivileged user exists to run a database as.")


def private_folder(prefix: str, owner: str | None) -> Path:
    """A new temporary folder that belongs to the user the server runs as."""
    folder = Path(tempfile.mkdtemp(prefix=f"inquest-{prefix}-"))
    if owner is not None:
        shutil.chown(folder, user=owner)
    return folder


def answers(url: str) -> bool:
    """True when a GET of the address ends in 200; the environment's proxies are not asked."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=1) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


class ServedProcess:
    """Base of a server that is one process."""

    _process: ServerProcess

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> None:
        self._process.remove()


class ServerProcess:
    """One child process; stopped by its own handle, never by name."""

    def __init__(self, command: Sequence[str], *, folder: Path, user: str | None = None) -> None:
        self.folder = folder
        self._log = (folder / "server.log").open("ab")
        self._process = subprocess.Popen(
            list(command), cwd=folder, stdout=self._log, stderr=subprocess.STDOUT, user=user, start_new_session=True
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_until(self, ready: Callable[[], bool], *, timeout_s: float = 30.0) -> None:
        """Return as soon as `ready()`; raises with the end of the log when the process dies or is late."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            if self._process.poll() is not None:
                break
            if ready():
                return
            time.sleep(0.05)
        tail = (self.folder / "server.log").read_text(errors="replace")[-2_000:]
        self.stop()
        raise RuntimeError(f"the server did not become ready:\n{tail}")

    def stop(self, sign: signal.Signals = signal.SIGINT) -> None:
        """Stop and wait; kill only this process when it does not listen."""
        if self._process.poll() is None:
            self._process.send_signal(sign)
            try:
                self._process.wait(15)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(5)
        self._log.close()

    def remove(self) -> None:
        """Stop, and delete the private folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
