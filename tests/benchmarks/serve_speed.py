"""`inquest serve` from nothing: seconds to the first signed acknowledgement, and memory."""

from __future__ import annotations

import hashlib
import hmac
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

SECRET = "signing-secret-for-the-benchmark"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _signed(url: str) -> urllib.request.Request:
    body = (
        b"command=%2Finvestigate&text=help&user_id=U1&team_id=T1&channel_id=C1&trigger_id=" + str(time.time()).encode()
    )
    stamp = str(int(time.time()))
    mac = hmac.new(SECRET.encode(), b"v0:" + stamp.encode() + b":" + body, hashlib.sha256).hexdigest()
    headers = {
        "X-Slack-Signature": f"v0={mac}",
        "X-Slack-Request-Timestamp": stamp,
        "Content-Type": "application/x-www-form-urlencoded",
    }
    return urllib.request.Request(url, data=body, headers=headers)


def _acknowledged(url: str) -> bool:
    try:
        with urllib.request.urlopen(_signed(url), timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _rss_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    kilobytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
    return int(kilobytes) / 1024


def serve_once() -> dict[str, float]:
    """One start in an empty folder with a fresh SQLite file, no source configured, Slack over HTTP."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "DATABASE_URL": f"sqlite:///{folder}/serve.db",
            "SLACK_BOT_TOKEN": "xoxb-benchmark",
            "SLACK_SIGNING_SECRET": SECRET,
            "INQUEST_SLACK_MODE": "http",
            "INQUEST_SLACK_API_URL": f"http://127.0.0.1:{free_port()}/api/",  # nobody there; nothing leaves
            "PORT": str(port),
        }
        started = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "bot", "serve"], cwd=folder, env=environment, stderr=subprocess.DEVNULL
        )
        try:
            while not _acknowledged(f"http://127.0.0.1:{port}/slack/events"):
                if process.poll() is not None or time.perf_counter() - started > 60:
                    raise RuntimeError("inquest serve did not come up")
                time.sleep(0.01)
            seconds = time.perf_counter() - started
            time.sleep(2)
            memory_mb = _rss_mb(process.pid)
            stopping = time.perf_counter()
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=10)
            return {"ack_s": seconds, "rss_mb": memory_mb, "stop_s": time.perf_counter() - stopping}
        finally:
            process.kill()
            process.wait()


def serve(runs: int = 5) -> dict[str, float]:
    """The middle of several starts; the first one warms the file cache and is not counted."""
    serve_once()
    results = sorted((serve_once() for _ in range(runs)), key=lambda result: result["ack_s"])
    return results[len(results) // 2]


if __name__ == "__main__":
    print(serve())
