"""A real Prometheus, with history backfilled from OpenMetrics text before it starts."""

from __future__ import annotations

import subprocess
from pathlib import Path

from connectors.testing import free_port
from tests.support.servers.process import ServedProcess, ServerProcess, answers, binary, private_folder

INSTALL = "apt-get install prometheus (Debian 12), or any Prometheus 2.30 or later"


class PrometheusServer(ServedProcess):
    """One server. `openmetrics` is history to load; `rules` and `scrape` are YAML for the configuration.

    `alertmanager` is the address that firing rules are sent to.
    """

    host = "127.0.0.1"

    def __init__(self, *, openmetrics: str = "", rules: str = "", scrape: str = "", alertmanager: str = "") -> None:
        server = binary("prometheus", install=INSTALL)
        folder = private_folder("prom", None)
        self.port = free_port()
        self.url = f"http://{self.host}:{self.port}"
        data = folder / "data"
        data.mkdir()
        if openmetrics:
            _backfill(openmetrics, folder, data)
        (folder / "rules.yml").write_text(rules or "groups: []\n")
        (folder / "prometheus.yml").write_text(
            f"global: {{scrape_interval: 1s, evaluation_interval: 1s}}\n"
            f"rule_files: [rules.yml]\nscrape_configs: {scrape or '[]'}\n" + _alerting(alertmanager)
        )
        self._process = ServerProcess(
            [server, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={data}",
             f"--web.listen-address={self.host}:{self.port}", "--storage.tsdb.retention.time=3650d",
             "--enable-feature=exemplar-storage",
             "--log.level=warn"],
            folder=folder,
        )  # fmt: skip
        self._process.wait_until(lambda: answers(f"{self.url}/-/ready"))


def _alerting(address: str) -> str:
    if not address:
        return ""
    return f"alerting: {{alertmanagers: [{{static_configs: [{{targets: ['{address}']}}]}}]}}\n"


def _backfill(openmetrics: str, folder: Path, data: Path) -> None:
    promtool = binary("promtool", install=INSTALL)
    source = folder / "history.om"
    source.write_text(openmetrics if openmetrics.rstrip().endswith("# EOF") else openmetrics.rstrip() + "\n# EOF\n")
    subprocess.run(
        [promtool, "tsdb", "create-blocks-from", "openmetrics", str(source), str(data), "--quiet"],
        check=True, capture_output=True,
    )  # fmt: skip
