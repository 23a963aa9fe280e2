"""A Kubernetes API server over given objects: lists with pages and selectors, metadata alone, logs, access reviews.

Shapes follow https://kubernetes.io/docs/reference/using-api/api-concepts/ (read 2026-11): list kinds, `continue`,
Status errors, PartialObjectMetadataList. Elements of lists carry no kind, as on a real server.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from aiohttp import web

Object = dict[str, Any]
KINDS = {
    "pods": ("v1", "Pod"),
    "events": ("v1", "Event"),
    "services": ("v1", "Service"),
    "endpoints": ("v1", "Endpoints"),
    "configmaps": ("v1", "ConfigMap"),
    "secrets": ("v1", "Secret"),
    "serviceaccounts": ("v1", "ServiceAccount"),
    "persistentvolumeclaims": ("v1", "PersistentVolumeClaim"),
    "persistentvolumes": ("v1", "PersistentVolume"),
    "resourcequotas": ("v1", "ResourceQuota"),
    "limitranges": ("v1", "LimitRange"),
    "nodes": ("v1", "Node"),
    "namespaces": ("v1", "Namespace"),
    "deployments": ("apps/v1", "Deployment"),
    "replicasets": ("apps/v1", "ReplicaSet"),
    "statefulsets": ("apps/v1", "StatefulSet"),
    "daemonsets": ("apps/v1", "DaemonSet"),
    "jobs": ("batch/v1", "Job"),
    "cronjobs": ("batch/v1", "CronJob"),
    "endpointslices": ("discovery.k8s.io/v1", "EndpointSlice"),
    "networkpolicies": ("networking.k8s.io/v1", "NetworkPolicy"),
    "storageclasses": ("storage.k8s.io/v1", "StorageClass"),
    "horizontalpodautoscalers": ("autoscaling/v2", "HorizontalPodAutoscaler"),
}
_SELECTABLE = {"metadata.name", "metadata.namespace", "type", "status.phase", "spec.nodeName"}


class StatusError(Exception):
    """An answer of kind Status."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code, self.reason, self.message = code, reason, message


class KubernetesDouble:
    """Async context manager. `objects` by plural; `logs` by (namespace, pod, container, previous) as stamped lines."""

    def __init__(
        self,
        objects: Mapping[str, list[Object]],
        *,
        token: str = "token",
        logs: Mapping[tuple[str, str, str, bool], str] | None = None,
        forbidden: frozenset[str] = frozenset(),
        allowed: frozenset[tuple[str, str]] = frozenset({("list", "pods")}),
        absent: frozenset[str] = frozenset(),
        forbidden_namespaces: frozenset[str] = frozenset(),
    ) -> None:
        self.objects = {plural: list(found) for plural, found in objects.items()}
        self.logs = dict(logs or {})
        self.forbidden, self.allowed, self.absent = forbidden, allowed, absent
        self.forbidden_namespaces = forbidden_namespaces
        self.requests: list[str] = []
        self.refused_writes: list[str] = []
        self.secret_values_sent = 0
        self._authorization = f"Bearer {token}"
        self._runner: web.AppRunner | None = None
        self.host, self.port = "127.0.0.1", 0

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def fingerprint(self) -> str:
        """Digest of all that an account could have changed, and of attempts to."""
        state = json.dumps([self.objects, self.refused_writes], sort_keys=True)
        return hashlib.sha256(state.encode()).hexdigest()

    async def __aenter__(self) -> KubernetesDouble:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2, handle_signals=False)
        await self._runner.setup()
        await web.TCPSite(self._runner, self.host, 0).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.Response:
        self.requests.append(f"{request.method} {request.path_qs}")
        try:
            if request.headers.get("Authorization") != self._authorization:
                raise StatusError(401, "Unauthorized", "Unauthorized")
            answer = await self._route(request)
        except StatusError as error:
            body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "metadata": {}}
            body |= {"message": error.message, "reason": error.reason, "code": error.code}
            return web.json_response(body, status=error.code)
        return answer if isinstance(answer, web.Response) else web.json_response(answer)

    async def _route(self, request: web.Request) -> Any:
        path = request.path
        if path == "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews" and request.method == "POST":
            return self._review(await request.json())
        if request.method != "GET":
            self.refused_writes.append(f"{request.method} {path}")
            raise StatusError(403, "Forbidden", f"cannot {request.method.lower()} {path}")
        if path == "/version":
            return {"major": "1", "minor": "31", "gitVersion": "v1.31.2", "platform": "linux/amd64"}
        found = re.fullmatch(r"/api/v1/namespaces/([^/]+)/pods/([^/]+)/log", path)
        if found:
            return self._log(found[1], found[2], request)
        found = re.fullmatch(
            r"/(?:api|apis)/(?P<api>v1|[a-z0-9.]+/v\d)(?:/namespaces/(?P<ns>[^/]+))?/(?P<many>[a-z]+)", path
        )
        if found is None or found["many"] not in KINDS or KINDS[found["many"]][0] != found["api"]:
            raise StatusError(404, "NotFound", "the server could not find the requested resource")
        return self._list(found["many"], found["ns"], request)

    def _list(self, plural: str, namespace: str | None, request: web.Request) -> Any:
        if plural in self.absent:
            raise StatusError(404, "NotFound", "the server could not find the requested resource")
        if plural in self.forbidden or namespace in self.forbidden_namespaces:
            raise StatusError(403, "Forbidden", f'{plural} is forbidden: User "reader" cannot list resource "{plural}"')
        found = [o for o in self.objects.get(plural, []) if namespace in (None, o["metadata"].get("namespace"))]
        found = [o for o in found if _selected(o, request.query.get("fieldSelector", ""))]
        wanted = [part.partition("=") for part in request.query.get("labelSelector", "").split(",") if part]
        found = [o for o in found if all(o["metadata"].get("labels", {}).get(k) == v for k, _, v in wanted)]
        limit = int(request.query.get("limit", "0")) or len(found) or 1
        token = request.query.get("continue", "")
        start = int(base64.b64decode(token)) if token else 0
        page = found[start : start + limit]
        rest = len(found) - start - len(page)
        metadata: Object = {"resourceVersion": "1"}
        if rest > 0:
            metadata |= {"continue": base64.b64encode(str(start + limit).encode()).decode(), "remainingItemCount": rest}
        api, kind = KINDS[plural]
        if "as=PartialObjectMetadataList" in request.headers.get("Accept", ""):
            items = [{"metadata": o["metadata"]} for o in page]
            return {
                "kind": "PartialObjectMetadataList",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": metadata,
                "items": items,
            }
        if plural == "secrets":
            self.secret_values_sent += len(page)
        items = [{k: v for k, v in o.items() if k not in ("kind", "apiVersion")} for o in page]
        return {"kind": f"{kind}List", "apiVersion": api, "metadata": metadata, "items": items}

    def _log(self, namespace: str, pod: str, request: web.Request) -> web.Response:
        query = request.query
        key = (namespace, pod, query.get("container", ""), query.get("previous", "false").lower() == "true")
        if key not in self.logs:
            kind = "previous terminated container" if key[3] else "container"
            raise StatusError(400, "BadRequest", f'{kind} "{key[2]}" in pod "{pod}" not found')
        lines = self.logs[key].splitlines()[-int(query.get("tailLines", "1000000")) :]
        if query.get("timestamps", "false").lower() != "true":
            lines = [line.partition(" ")[2] for line in lines]
        body = "\n".join(lines).encode()[: int(query.get("limitBytes", "1000000000"))]
        return web.Response(body=body, content_type="text/plain")

    def _review(self, body: Any) -> Any:
        attributes = body["spec"]["resourceAttributes"]
        allowed = (attributes["verb"], attributes["resource"]) in self.allowed
        return {**body, "status": {"allowed": allowed}}


def _selected(obj: Object, selector: str) -> bool:
    for part in filter(None, selector.split(",")):
        path, _, wanted = part.partition("=")
        if path not in _SELECTABLE:
            raise StatusError(400, "BadRequest", f'field label not supported: "{path}"')
        node: Any = obj
        for step in path.split("."):
            node = node.get(step, "") if isinstance(node, dict) else ""
        if node != wanted.removeprefix("="):
            return False
    return True
