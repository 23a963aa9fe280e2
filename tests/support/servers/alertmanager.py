"""A real Alertmanager that sends everything to one webhook, within about a second."""

from __future__ import annotations

from connectors.testing import free_port
from tests.support.servers.process import ServedProcess, ServerProcess, answers, binary, private_folder

INSTALL = "apt-get install prometheus-alertmanager (Debian 12), or any Alertmanager 0.22 or later"


class AlertmanagerServer(ServedProcess):
    """One server. `webhook` is where alerts go, with `token` as the bearer."""

    host = "127.0.0.1"

    def __init__(self, *, webhook: str, token: str) -> None:
        server = binary("prometheus-alertmanager", install=INSTALL)
        folder = private_folder("alertmanager", None)
        self.port = free_port()
        self.address = f"{self.host}:{self.port}"
        (folder / "token").write_text(token)
        (folder / "alertmanager.yml").write_text(
            "route: {receiver: inquest, group_by: [alertname], group_wait: 1s, group_interval: 1s}\n"
            "receivers:\n"
            "  - name: inquest\n"
            "    webhook_configs:\n"
            f"      - url: {webhook}\n"
            f"        http_config: {{authorization: {{credentials_file: {folder}/token}}}}\n"
        )
        self._process = ServerProcess(
            [server, f"--config.file={folder}/alertmanager.yml", f"--storage.path={folder}/data",
             f"--web.listen-address={self.address}", "--cluster.listen-address=", "--log.level=warn"],
            folder=folder,
        )  # fmt: skip
        self._process.wait_until(lambda: answers(f"http://{self.address}/-/ready"))
