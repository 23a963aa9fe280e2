"""The Kubernetes API server of the world: lists, gets, pod logs, and patches of deployments.

Shapes follow https://kubernetes.io/docs/reference/kubernetes-api/ (v1.31, read 2026-11-20).
"""

from __future__ import annotations

import copy
import json
from bisect import bisect_left
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from bot.demo.world.cluster import Cluster, Pod, Workload, canonical
from bot.demo.world.journal import Document, Journal
from bot.demo.world.kube_objects import Object, ObjectView
from bot.demo.world.kube_patch import PatchError, apply_patch
from bot.demo.world.kube_resources import RESOURCES, Resource
from bot.demo.world.kube_select import StatusError, page_of, selected
from bot.demo.world.topology import NAMESPACE


class KubernetesServer:
    """Routes of the API server; `changed` is told of every patch that was carried out."""

    def __init__(
        self,
        cluster: Cluster,
        journal: Journal,
        clock: Callable[[], float],
        *,
        token: str,
        changed: Callable[[Workload, str], None],
    ) -> None:
        self.cluster = cluster
        self.journal = journal
        self._clock = clock
        self._token = token
        self._changed = changed

    def app(self) -> web.Application:
        """The application with all routes."""
        app = web.Application(middlewares=[self._border])
        add = app.router.add_route
        for path in ("/version", "/version/"):
            add("GET", path, self._version)
        for path in ("/healthz", "/readyz", "/livez"):
            add("GET", path, _fine)
        add("GET", "/api", self._core)
        add("GET", "/apis", self._groups)
        for api in sorted({resource.api for resource in RESOURCES}):
            base = f"/api/{api}" if "/" not in api else f"/apis/{api}"
            add("GET", base, self._discovery(api))
        for resource in RESOURCES:
            self._add(app, resource)
        pods = "/api/v1/namespaces/{namespace}/pods/{name}"
        add("GET", f"{pods}/log", self._log)
        add("DELETE", pods, self._delete_pod)
        one = "/apis/apps/v1/namespaces/{namespace}/deployments/{name}"
        add("PATCH", one, self._patch)
        add("GET", f"{one}/scale", self._scale)
        add("PATCH", f"{one}/scale", self._scale)
        add("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", self._review)
        for path in (
            "/api/v1/secrets",
            "/api/v1/namespaces/{namespace}/secrets",
            "/api/v1/namespaces/{namespace}/secrets/{name}",
        ):
            add("*", path, self._secrets)
        return app

    def _add(self, app: web.Application, resource: Resource) -> None:
        many, one = self._list(resource), self._get(resource)
        app.router.add_get(f"{resource.base}/{resource.plural}", many)
        if resource.namespaced:
            inside = f"{resource.base}/namespaces/{{namespace}}/{resource.plural}"
            app.router.add_get(inside, many)
            app.router.add_get(f"{inside}/{{name}}", one)
        else:
            app.router.add_get(f"{resource.base}/{resource.plural}/{{name}}", one)

    @web.middleware
    async def _border(self, request: web.Request, handler: Any) -> web.StreamResponse:
        try:
            if request.headers.get("Authorization") != f"Bearer {self._token}":
                raise StatusError(401, "Unauthorized", "Unauthorized")
            response: web.StreamResponse = await handler(request)
        except StatusError as error:
            return _status(error)
        except web.HTTPNotFound:
            return _status(StatusError(404, "NotFound", "the server could not find the requested resource"))
        except web.HTTPMethodNotAllowed:
            message = "the server does not allow this method on the requested resource"
            return _status(StatusError(405, "MethodNotAllowed", message))
        return response

    def view(self) -> ObjectView:
        """The cluster as it is now."""
        return ObjectView(self.cluster, self._clock())

    async def _version(self, _request: web.Request) -> web.Response:
        fields = {"major": "1", "minor": "31", "gitVersion": "v1.31.2", "gitCommit": "", "gitTreeState": "clean"}
        return web.json_response(
            {
                **fields,
                "buildDate": "2024-10-22T20:28:14Z",
                "goVersion": "go1.22.8",
                "compiler": "gc",
                "platform": "linux/amd64",
            }
        )

    async def _core(self, _request: web.Request) -> web.Response:
        return web.json_response({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []})

    async def _groups(self, _request: web.Request) -> web.Response:
        groups = []
        for api in sorted({resource.api for resource in RESOURCES if "/" in resource.api}):
            name, _, version = api.partition("/")
            entry = {"groupVersion": api, "version": version}
            groups.append({"name": name, "versions": [entry], "preferredVersion": entry})
        return web.json_response({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})

    def _discovery(self, api: str) -> Any:
        async def handler(_request: web.Request) -> web.Response:
            rows = [
                {
                    "name": resource.plural,
                    "singularName": resource.kind.lower(),
                    "namespaced": resource.namespaced,
                    "kind": resource.kind,
                    "verbs": ["get", "list"] + (["patch"] if resource.plural == "deployments" else []),
                }
                for resource in RESOURCES
                if resource.api == api
            ]
            return web.json_response(
                {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api, "resources": rows}
            )

        return handler

    def _list(self, resource: Resource) -> Any:
        async def handler(request: web.Request) -> web.Response:
            if _yes(request.query, "watch"):
                raise StatusError(405, "MethodNotAllowed", "watch is not served here")
            items = resource.list(self.view())
            namespace = request.match_info.get("namespace")
            if namespace:
                items = [item for item in items if item["metadata"].get("namespace") == namespace]
            items = [item for item in items if selected(item, request.query)]
            page, meta = page_of(items, request.query, self.cluster.version)
            return web.json_response(
                {"kind": f"{resource.kind}List", "apiVersion": resource.api, "metadata": meta, "items": page}
            )

        return handler

    def _get(self, resource: Resource) -> Any:
        async def handler(request: web.Request) -> web.Response:
            name, namespace = request.match_info["name"], request.match_info.get("namespace")
            for item in resource.list(self.view()):
                meta = item["metadata"]
                if meta["name"] == name and (namespace is None or meta.get("namespace") == namespace):
                    return web.json_response(item)
            raise StatusError(404, "NotFound", f'{resource.plural} "{name}" not found')

        return handler

    async def _secrets(self, request: web.Request) -> web.Response:
        where = f'in the namespace "{request.match_info.get("namespace", "")}"'
        message = f'secrets is forbidden: User "inquest" cannot list resource "secrets" in API group "" {where}'
        raise StatusError(403, "Forbidden", message)

    async def _review(self, request: web.Request) -> web.Response:
        body = await request.json()
        wanted = body.get("spec", {}).get("resourceAttributes", {})
        resource, verb = wanted.get("resource"), wanted.get("verb")
        allowed = resource != "secrets" and (
            verb in {"get", "list"} or (resource, verb) in {("deployments", "patch"), ("pods", "delete")}
        )
        return web.json_response({**body, "status": {"allowed": allowed}}, status=201)

    # pods

    def _pod(self, request: web.Request) -> tuple[Workload, Pod]:
        name = request.match_info["name"]
        if request.match_info["namespace"] == NAMESPACE:
            for workload in self.cluster.workloads.values():
                for pod in workload.pods_at(self._clock()):
                    if pod.name == name:
                        return workload, pod
        raise StatusError(404, "NotFound", f'pods "{name}" not found')

    async def _log(self, request: web.Request) -> web.Response:
        _, pod = self._pod(request)
        query, now = request.query, self._clock()
        container = query.get("container")
        if container and container != pod.service:
            message = f"container {container} is not valid for pod {pod.name}"
            raise StatusError(400, "BadRequest", message)
        begins = [pod.ready - 2, *(r.back for r in pod.ended(now) if r.back <= now)]
        ends = [r.at for r in pod.ended(now)]
        low, high = begins[-1], now
        if _yes(query, "previous"):
            if not ends:
                message = f'previous terminated container "{pod.service}" in pod "{pod.name}" not found'
                raise StatusError(400, "BadRequest", message)
            high = ends[-1]
            low = max(begin for begin in begins if begin <= high)
        if "sinceSeconds" in query:
            low = max(low, now - int(query["sinceSeconds"]))
        return web.Response(text=_text(self._lines(pod, low, high), query), content_type="text/plain")

    def _lines(self, pod: Pod, low: float, high: float) -> list[Document]:
        logs = self.journal.until(self._clock())
        start = bisect_left(logs, low, key=lambda document: document.at)
        end = bisect_left(logs, high, key=lambda document: document.at)
        return [document for document in logs[start:end] if document.fields["kubernetes.pod.name"] == pod.name]

    async def _delete_pod(self, request: web.Request) -> web.Response:
        workload, pod = self._pod(request)
        rendered = self.view().pod(workload, pod)
        body = await request.text()  # options in a body are the only ones that count, as on a real server
        asked = json.loads(body).get("dryRun", []) if body else request.query.getall("dryRun", [])
        if "All" not in asked:
            self.cluster.delete_pod(workload, pod, self._clock())
            self._changed(workload, "delete_pod")
        return web.json_response(rendered)

    # deployments

    def _workload(self, request: web.Request) -> Workload:
        name = request.match_info["name"]
        if request.match_info["namespace"] != NAMESPACE or name not in self.cluster.workloads:
            raise StatusError(404, "NotFound", f'deployments.apps "{name}" not found')
        return self.cluster.workloads[name]

    async def _patched(self, request: web.Request, target: Object) -> Object:
        try:
            return apply_patch(target, json.loads(await request.text()), request.content_type)
        except (PatchError, ValueError) as error:
            raise StatusError(422, "Invalid", str(error)) from error

    async def _patch(self, request: web.Request) -> web.Response:
        workload = self._workload(request)
        current = self.view().deployment(workload)
        wanted = await self._patched(request, current)
        if wanted["metadata"].get("resourceVersion") != current["metadata"]["resourceVersion"]:
            message = "the object has been modified; please apply your changes to the latest version and try again"
            raise StatusError(
                409,
                "Conflict",
                f'Operation cannot be fulfilled on deployments.apps "{workload.service.name}": {message}',
            )
        if "All" in request.query.getall("dryRun", []):
            return web.json_response(wanted)
        self._carry_out(workload, wanted)
        return web.json_response(self.view().deployment(workload))

    def _carry_out(self, workload: Workload, wanted: Object) -> None:
        now = self._clock()
        kept = {
            key: value
            for key, value in wanted["metadata"].get("annotations", {}).items()
            if key != "deployment.kubernetes.io/revision"
        }
        workload.annotations = kept
        template = copy.deepcopy(wanted["spec"]["template"])
        template["metadata"].get("labels", {}).pop("pod-template-hash", None)
        if canonical(template) != canonical(workload.current.template):
            cause = str(kept.get("kubernetes.io/change-cause", "patched"))
            self.cluster.roll_out(workload, template, now, cause)
            self._changed(workload, "roll_out")
        if int(wanted["spec"]["replicas"]) != workload.replicas:
            self.cluster.scale(workload, int(wanted["spec"]["replicas"]), now)
            self._changed(workload, "scale")

    async def _scale(self, request: web.Request) -> web.Response:
        workload = self._workload(request)
        if request.method == "PATCH":
            wanted = await self._patched(request, _scale_object(workload, self.cluster))
            if "All" in request.query.getall("dryRun", []):
                return web.json_response(wanted)
            self.cluster.scale(workload, int(wanted["spec"]["replicas"]), self._clock())
            self._changed(workload, "scale")
        return web.json_response(_scale_object(workload, self.cluster))


def _scale_object(workload: Workload, cluster: Cluster) -> Object:
    name = workload.service.name
    meta = {"name": name, "namespace": NAMESPACE, "uid": workload.uid, "resourceVersion": str(cluster.version)}
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": meta,
        "spec": {"replicas": workload.replicas},
        "status": {"replicas": workload.replicas, "selector": f"app={name}"},
    }


def _yes(query: Mapping[str, str], name: str) -> bool:
    """Clients write true, True or 1."""
    return query.get(name, "").lower() in {"true", "1"}


def _text(lines: list[Document], query: Mapping[str, str]) -> str:
    if "tailLines" in query:
        lines = lines[-int(query["tailLines"]) :] if int(query["tailLines"]) else []
    stamped = _yes(query, "timestamps")
    rows = []
    for line in lines:
        head = f"{line.fields['@timestamp']} " if stamped else ""
        rows.append(f"{head}{line.fields['@timestamp']} {line.fields['log.level']} {line.fields['message']}\n")
    text = "".join(rows)
    return text[: int(query["limitBytes"])] if "limitBytes" in query else text


def _status(error: StatusError) -> web.Response:
    body = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    body |= {"message": error.message, "reason": error.reason, "code": error.code}  # type: ignore[dict-item]
    return web.json_response(body, status=error.code)


async def _fine(_request: web.Request) -> web.Response:
    return web.Response(text="ok")
