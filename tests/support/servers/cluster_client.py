"""Arranging and checking on a real API server, without the connector under test: plain REST with JSON."""

from __future__ import annotations

import json
import ssl
from typing import Any

import httpx

Object = dict[str, Any]
# plural → the path before it, and whether it lives in a namespace
_GROUPS = {
    "/api/v1": "pods services configmaps secrets serviceaccounts persistentvolumeclaims resourcequotas limitranges "
    "events endpoints",
    "/apis/apps/v1": "deployments replicasets statefulsets daemonsets",
    "/apis/batch/v1": "jobs cronjobs",
    "/apis/autoscaling/v2": "horizontalpodautoscalers",
    "/apis/networking.k8s.io/v1": "networkpolicies",
    "/apis/rbac.authorization.k8s.io/v1": "roles rolebindings",
}
_GLOBAL = {
    "/api/v1": "nodes namespaces persistentvolumes",
    "/apis/rbac.authorization.k8s.io/v1": "clusterroles clusterrolebindings",
    "/apis/storage.k8s.io/v1": "storageclasses",
}
_NAMESPACED = {plural: path for path, words in _GROUPS.items() for plural in words.split()}
_CLUSTER = {plural: path for path, words in _GLOBAL.items() for plural in words.split()}


def _plural(kind: str) -> str:
    lower = kind.lower()
    return lower[:-1] + "ies" if lower.endswith("y") else lower + ("es" if lower.endswith("s") else "s")


class ClusterClient:
    """As the administrator. Failing answers raise AssertionError with the server's words."""

    def __init__(self, url: str, *, token: str, ca_file: str) -> None:
        context = ssl.create_default_context(cafile=ca_file)
        headers = {"Authorization": f"Bearer {token}"}
        self._http = httpx.Client(base_url=url, verify=context, headers=headers, timeout=20.0, trust_env=False)

    def close(self) -> None:
        self._http.close()

    def raw(self, verb: str, path: str, **more: Any) -> httpx.Response:
        return self._http.request(verb, path, **more)

    def send(self, verb: str, path: str, body: Object | None = None, *, kind: str = "application/json") -> Object:
        content = None if body is None else json.dumps(body)
        answer = self._http.request(verb, path, content=content, headers={"Content-Type": kind})
        if answer.status_code >= 300:
            raise AssertionError(f"{verb} {path}: {answer.status_code} {answer.text[:400]}")
        found: Object = answer.json()
        return found

    @staticmethod
    def path(plural: str, name: str = "", namespace: str = "") -> str:
        """Where objects of a kind, or one of them, are."""
        if plural in _CLUSTER:
            head = f"{_CLUSTER[plural]}/{plural}"
        else:
            head = _NAMESPACED[plural] + (f"/namespaces/{namespace}" if namespace else "") + f"/{plural}"
        return f"{head}/{name}" if name else head

    def apply(self, obj: Object) -> Object:
        """Make or change an object, by server-side apply."""
        meta = obj["metadata"]
        path = self.path(_plural(obj["kind"]), meta["name"], meta.get("namespace", ""))
        return self.send("PATCH", f"{path}?fieldManager=pipeline&force=true", obj, kind="application/apply-patch+yaml")

    def get(self, plural: str, name: str, namespace: str = "") -> Object:
        return self.send("GET", self.path(plural, name, namespace))

    def exists(self, plural: str, name: str, namespace: str = "") -> bool:
        return self.raw("GET", self.path(plural, name, namespace)).status_code == 200

    def list(self, plural: str, namespace: str = "", *, selector: str = "") -> list[Object]:
        asked = f"?labelSelector={selector}" if selector else ""
        items: list[Object] = self.send("GET", self.path(plural, "", namespace) + asked)["items"]
        return items

    def patch(self, plural: str, name: str, namespace: str, body: Object) -> Object:
        """A merge patch."""
        return self.send("PATCH", self.path(plural, name, namespace), body, kind="application/merge-patch+json")

    def delete(self, plural: str, name: str, namespace: str = "") -> None:
        self.send("DELETE", self.path(plural, name, namespace))
