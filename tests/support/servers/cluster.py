"""A real Kubernetes: etcd, API server, controller manager and scheduler, with kwok for nodes and pods.

Rollouts, revisions, quotas, scheduling, access control and dry runs are the real ones; only what a kubelet would do is
played, by the stages in `cluster_stages`. Built once by `scripts/install-cluster`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
import yaml

from connectors.testing import free_port
from tests.support.servers.cluster_client import ClusterClient
from tests.support.servers.cluster_stages import Played, kwok_documents
from tests.support.servers.process import OptionalServer, ServerProcess, binary, private_folder

INSTALL = "scripts/install-cluster (needs Go)"
_MODULES = Path(__file__).parents[2] / "cluster" / "modules" / "go.mod"
_SERVICES = "10.96.0.0/16"
_ADMIN_TOKEN = "admin-t0ken-of-a-loopback-cluster"
# Every change by a service account outside kube-system, with what it asked for: the server's own word on what was sent.
_AUDIT = {
    "apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "userGroups": ["system:serviceaccounts:kube-system"]},
        {"level": "Request", "verbs": ["patch", "delete"], "userGroups": ["system:serviceaccounts"]},
        {"level": "None"},
    ],
}  # fmt: skip
# Controllers that need a cloud, certificates or a metrics server, or that only cost time here.
_LEFT_OUT = ("attachdetach", "bootstrap-signer-controller", "certificatesigningrequest-approving-controller",
             "certificatesigningrequest-signing-controller", "cloud-node-lifecycle-controller",
             "node-ipam-controller", "node-route-controller", "service-lb-controller")  # fmt: skip


def version() -> str:
    """The release that the pinned modules build."""
    found = re.search(r"k8s\.io/kubernetes (v\S+)", _MODULES.read_text(encoding="utf-8"))
    assert found is not None
    return found[1]


def built(name: str) -> str:
    """One built program, or OptionalServer."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    path = cache / "inquest-tests" / f"cluster-{version()}" / name
    if not path.exists():
        raise OptionalServer(f"{name} is not built. Build it with: {INSTALL}")
    return str(path)


class ClusterServer:
    """One cluster with `nodes` nodes. `played` says which images misbehave, and what their containers log."""

    def __init__(self, *, nodes: int = 3, played: Played | None = None) -> None:
        self._etcd = _etcd()
        parts = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok", "kubectl")
        self._programs = {name: built(name) for name in parts}
        self.folder = private_folder("cluster", None)
        self.port, self._store_port, self._node_port = free_port(), free_port(), free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self._processes: list[ServerProcess] = []
        self._pids: dict[str, int] = {}
        self._write_files(played or Played())
        self.client = ClusterClient(self.url, token=_ADMIN_TOKEN, ca_file=self.ca_file)
        try:
            self._start(nodes)
        except BaseException:
            self.stop()
            raise

    @property
    def ca_file(self) -> str:
        return str(self.folder / "tls.crt")

    @property
    def kubeconfig(self) -> str:
        """The administrator's."""
        return str(self.folder / "kubeconfig")

    @property
    def audit_log(self) -> Path:
        return self.folder / "audit.log"

    def writes_sent(self, mark: str) -> list[dict[str, Any]]:
        """The server's records of changes that carry `mark` in their body and were no dry run, whatever it answered."""
        lines = self.audit_log.read_text(encoding="utf-8").splitlines() if self.audit_log.exists() else []
        found = [json.loads(line) for line in lines if f'"{mark}"' in line]
        return [entry for entry in found if "dryRun=All" not in entry["requestURI"]]

    def kubectl(self, *words: str, check: bool = True) -> str:
        """What a kubectl line prints, as the administrator."""
        done = subprocess.run(
            [self._programs["kubectl"], f"--kubeconfig={self.kubeconfig}", *words],
            check=False, capture_output=True, text=True, timeout=30,
        )  # fmt: skip
        if check and done.returncode:
            raise AssertionError(f"kubectl {' '.join(words)}: {done.stderr}")
        return done.stdout.strip()

    def token(self, namespace: str, account: str) -> str:
        """A fresh token of a service account, asked for as a pod would get it."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
        return str(self.client.send("POST", path, body)["status"]["token"])

    def until(self, look: Callable[[], Any], *, within_s: float = 60.0, what: str = "it") -> Any:
        """What `look` gives once that is true."""
        end = time.monotonic() + within_s
        while time.monotonic() < end:
            if found := look():
                return found
            time.sleep(0.1)
        raise AssertionError(f"{what} did not happen within {within_s:g} s")

    def rolled_out(self, namespace: str, name: str) -> bool:
        """Whether a Deployment has only pods of its newest template, all ready."""
        found = self.client.get("deployments", name, namespace)
        status, wanted = found.get("status", {}), found["spec"]["replicas"]
        seen = status.get("observedGeneration", 0) >= found["metadata"]["generation"]
        counts = (status.get(key, 0) for key in ("updatedReplicas", "readyReplicas", "replicas"))
        return seen and all(count == wanted for count in counts)

    def pid_of(self, name: str) -> int:
        """Of one of its processes, for a test that stops it for a while."""
        return self._pids[name]

    def stop(self) -> None:
        """Stop all parts, the store last, and delete the private folder."""
        self.client.close()
        while self._processes:
            process = self._processes.pop()
            process.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    # how it starts

    def _write_files(self, played: Played) -> None:
        _certificate(self.folder)
        (self.folder / "tokens.csv").write_text(f'{_ADMIN_TOKEN},admin,admin,"system:masters"\n')
        (self.folder / "audit.yaml").write_text(yaml.safe_dump(_AUDIT), encoding="utf-8")
        documents = kwok_documents(played, self.folder)
        (self.folder / "kwok.yaml").write_text(yaml.safe_dump_all(documents), encoding="utf-8")
        cluster = {"server": self.url, "certificate-authority": self.ca_file}
        config = {
            "apiVersion": "v1", "kind": "Config", "current-context": "main",
            "clusters": [{"name": "main", "cluster": cluster}],
            "users": [{"name": "admin", "user": {"token": _ADMIN_TOKEN}}],
            "contexts": [{"name": "main", "context": {"cluster": "main", "user": "admin"}}],
        }  # fmt: skip
        Path(self.kubeconfig).write_text(json.dumps(config), encoding="utf-8")

    def _start(self, nodes: int) -> None:
        store = f"http://127.0.0.1:{self._store_port}"
        peer = f"http://127.0.0.1:{free_port()}"
        self._run("etcd", [self._etcd, f"--data-dir={self.folder}/data", f"--listen-client-urls={store}",
                           f"--advertise-client-urls={store}", f"--listen-peer-urls={peer}",
                           f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=default={peer}",
                           "--log-level=error"])  # fmt: skip
        api = self._run("kube-apiserver", self._api_server(store))
        api.wait_until(self._ready, timeout_s=90)
        self._run("kube-controller-manager", self._controllers())
        self._run("kube-scheduler", [self._programs["kube-scheduler"], f"--kubeconfig={self.kubeconfig}",
                                     "--leader-elect=false", "--secure-port=0"])  # fmt: skip
        self._run("kwok", [self._programs["kwok"], f"--kubeconfig={self.kubeconfig}", "--manage-all-nodes",
                           f"--config={self.folder}/kwok.yaml", "--node-lease-duration-seconds=40",
                           "--node-ip=127.0.0.1", f"--node-port={self._node_port}",
                           f"--server-address=127.0.0.1:{self._node_port}",
                           f"--tls-cert-file={self.ca_file}",
                           f"--tls-private-key-file={self.folder}/tls.key"])  # fmt: skip
        for index in range(nodes):
            self.client.apply(_node(f"node-{index + 1}"))
        self.until(lambda: self._is_up(nodes), what="the start of nodes and accounts")

    def _run(self, name: str, command: Sequence[str]) -> ServerProcess:
        folder = self.folder / name
        folder.mkdir()
        self._processes.append(ServerProcess(command, folder=folder))
        self._pids[name] = self._processes[-1].pid
        return self._processes[-1]

    def _api_server(self, store: str) -> list[str]:
        key = f"{self.folder}/tls.key"
        return [
            self._programs["kube-apiserver"], f"--etcd-servers={store}", "--bind-address=127.0.0.1",
            f"--secure-port={self.port}", f"--tls-cert-file={self.ca_file}", f"--tls-private-key-file={key}",
            "--authorization-mode=RBAC", f"--token-auth-file={self.folder}/tokens.csv", "--anonymous-auth=false",
            f"--service-cluster-ip-range={_SERVICES}", "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={self.ca_file}", f"--service-account-signing-key-file={key}",
            "--kubelet-preferred-address-types=InternalIP", "--endpoint-reconciler-type=none",
            f"--audit-policy-file={self.folder}/audit.yaml", f"--audit-log-path={self.audit_log}",
            "--enable-priority-and-fairness=false", "--watch-cache=true", "--profiling=false", "--v=0",
        ]  # fmt: skip

    def _controllers(self) -> list[str]:
        names = ",".join(["*", *(f"-{name}" for name in _LEFT_OUT)])
        return [
            self._programs["kube-controller-manager"], f"--kubeconfig={self.kubeconfig}", "--leader-elect=false",
            "--secure-port=0", f"--root-ca-file={self.ca_file}", f"--controllers={names}",
            f"--service-account-private-key-file={self.folder}/tls.key", "--concurrent-deployment-syncs=2",
            "--horizontal-pod-autoscaler-sync-period=5s", "--kube-api-qps=200", "--kube-api-burst=400",
        ]  # fmt: skip

    def _ready(self) -> bool:
        try:
            return self.client.raw("GET", "/readyz").status_code == 200
        except httpx.HTTPError:
            return False

    def _is_up(self, nodes: int) -> bool:
        ready = [n for n in self.client.list("nodes") if _condition(n, "Ready") == "True"]
        accounts = {a["metadata"]["name"] for a in self.client.list("serviceaccounts", "default")}
        return len(ready) >= nodes and "default" in accounts


def _condition(obj: dict[str, Any], kind: str) -> str:
    found = [c for c in obj.get("status", {}).get("conditions", []) if c["type"] == kind]
    return str(found[0]["status"]) if found else ""


def _etcd() -> str:
    try:
        return binary("etcd", install="apt-get install etcd-server (Debian 12)")
    except Exception as error:
        raise OptionalServer(str(error)) from error


def _node(name: str) -> dict[str, Any]:
    size = {"cpu": "16", "memory": "64Gi", "pods": "500"}
    return {
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "status": {"allocatable": size, "capacity": size},
    }  # fmt: skip


def _certificate(folder: Path) -> None:
    """One self-signed certificate for the API server, the kubelet that kwok plays, and service account tokens."""
    openssl = binary("openssl", install="apt-get install openssl")
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-subj", "/CN=loopback-cluster", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost",
         "-addext", "basicConstraints=critical,CA:TRUE", "-days", "2",
         "-keyout", str(folder / "tls.key"), "-out", str(folder / "tls.crt")],
        check=True, capture_output=True,
    )  # fmt: skip
