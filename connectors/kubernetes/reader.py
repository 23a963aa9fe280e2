"""Bounded raw reads over the driver's typed calls: JSON as the API sent it, counted while it streams."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import urlencode

from connectors.errors import ConnectorError, Malformed, NotFound, Rejected, Unauthorized
from connectors.http import Reply, status_error
from connectors.kubernetes.config import KubernetesConfig
from connectors.kubernetes.reading import at, objects, text
from connectors.model import JsonObject, Limits

PAGE = 250
# Raw objects are far larger than the fields kept of them, so the wire may carry this many times the answer's cap.
_RAW_FACTOR = 4
_CHUNK_BYTES = 65_536
_ERROR_BYTES = 16_384
_METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"


class Resource(NamedTuple):
    """One listable kind: the driver's API class, its list method's stem, and the path it stands for."""

    api: str
    stem: str
    path: str
    kind: str
    namespaced: bool = True


RESOURCES: dict[str, Resource] = {
    "pods": Resource("CoreV1Api", "pod", "/api/v1", "Pod"),
    "events": Resource("CoreV1Api", "event", "/api/v1", "Event"),
    "services": Resource("CoreV1Api", "service", "/api/v1", "Service"),
    "endpoints": Resource("CoreV1Api", "endpoints", "/api/v1", "Endpoints"),
    "configmaps": Resource("CoreV1Api", "config_map", "/api/v1", "ConfigMap"),
    "serviceaccounts": Resource("CoreV1Api", "service_account", "/api/v1", "ServiceAccount"),
    "persistentvolumeclaims": Resource("CoreV1Api", "persistent_volume_claim", "/api/v1", "PersistentVolumeClaim"),
    "resourcequotas": Resource("CoreV1Api", "resource_quota", "/api/v1", "ResourceQuota"),
    "limitranges": Resource("CoreV1Api", "limit_range", "/api/v1", "LimitRange"),
    "nodes": Resource("CoreV1Api", "node", "/api/v1", "Node", namespaced=False),
    "namespaces": Resource("CoreV1Api", "namespace", "/api/v1", "Namespace", namespaced=False),
    "persistentvolumes": Resource("CoreV1Api", "persistent_volume", "/api/v1", "PersistentVolume", namespaced=False),
    "deployments": Resource("AppsV1Api", "deployment", "/apis/apps/v1", "Deployment"),
    "replicasets": Resource("AppsV1Api", "replica_set", "/apis/apps/v1", "ReplicaSet"),
    "statefulsets": Resource("AppsV1Api", "stateful_set", "/apis/apps/v1", "StatefulSet"),
    "daemonsets": Resource("AppsV1Api", "daemon_set", "/apis/apps/v1", "DaemonSet"),
    "jobs": Resource("BatchV1Api", "job", "/apis/batch/v1", "Job"),
    "cronjobs": Resource("BatchV1Api", "cron_job", "/apis/batch/v1", "CronJob"),
    "endpointslices": Resource("DiscoveryV1Api", "endpoint_slice", "/apis/discovery.k8s.io/v1", "EndpointSlice"),
    "networkpolicies": Resource("NetworkingV1Api", "network_policy", "/apis/networking.k8s.io/v1", "NetworkPolicy"),
    "storageclasses": Resource(
        "StorageV1Api", "storage_class", "/apis/storage.k8s.io/v1", "StorageClass", namespaced=False
    ),
    "horizontalpodautoscalers": Resource(
        "AutoscalingV2Api", "horizontal_pod_autoscaler", "/apis/autoscaling/v2", "HorizontalPodAutoscaler"
    ),
}


class Reader:
    """The reads of one tool call: they share a byte budget, and remember what was asked and what was left out."""

    def __init__(self, api: Any, config: KubernetesConfig, *, name: str, limits: Limits) -> None:
        self._api = api
        self._config = config
        self._name = name
        self._room = limits.max_bytes * _RAW_FACTOR
        self._most = max(limits.max_rows * 5, 1_000)
        self.requests: list[str] = []
        self.notes: list[str] = []
        self.cut: set[str] = set()
        self.bytes = 0

    @property
    def api(self) -> Any:
        """The driver's client that these reads go through."""
        return self._api

    async def listing(
        self,
        plural: str,
        *,
        namespace: str = "",
        field_selector: str = "",
        label_selector: str = "",
        metadata_only: bool = False,
    ) -> list[JsonObject]:
        """All objects of a kind in the namespace, in the configured ones, or everywhere; bounded, and said so."""
        resource = RESOURCES[plural]
        where = self._namespaces(namespace) if resource.namespaced else ("",)
        selectors = {"fieldSelector": field_selector, "labelSelector": label_selector}
        pages = await asyncio.gather(
            *(self._attempt(partial(self._pages, plural, one, selectors, metadata_only=metadata_only)) for one in where)
        )
        return self._readable(plural, dict(zip(where, pages, strict=True)))

    def _readable(self, plural: str, pages: Mapping[str, list[JsonObject] | ConnectorError]) -> list[JsonObject]:
        """What could be read of several namespaces, the others noted; the first error when none could."""
        errors = {where: found for where, found in pages.items() if isinstance(found, ConnectorError)}
        if len(errors) == len(pages):
            raise next(iter(errors.values()))
        for where, error in errors.items():
            self.cut.add(plural)  # so that nothing in there is called missing
            self.notes.append(f"{plural} of {where} not read: {_short(error)}")
        return [entry for found in pages.values() if not isinstance(found, ConnectorError) for entry in found]

    def whole(self, plural: str, found: Mapping[str, list[JsonObject] | None]) -> list[JsonObject] | None:
        """A listing that is complete, by which something may be called missing; else None."""
        return None if plural in self.cut else found[plural]

    async def gather(self, *plurals: str, namespace: str = "") -> dict[str, list[JsonObject] | None]:
        """Several kinds at once. What cannot be read is None, with a note; if nothing can, the first error rises."""
        wishes = {plural: (lambda p=plural: self.listing(p, namespace=namespace)) for plural in plurals}
        return await self.partial(wishes)

    async def partial(
        self, wishes: Mapping[str, Callable[[], Awaitable[list[JsonObject]]]], *, required: bool = True
    ) -> dict[str, list[JsonObject] | None]:
        """Like `gather`, for any reads by name; without `required`, all may fail and no note is made."""
        outcomes = await asyncio.gather(*(self._attempt(wish) for wish in wishes.values()))
        errors = [outcome for outcome in outcomes if isinstance(outcome, ConnectorError)]
        if required and len(errors) == len(outcomes) and errors:
            raise errors[0]
        found: dict[str, list[JsonObject] | None] = {}
        for name, outcome in zip(wishes, outcomes, strict=True):
            found[name] = None if isinstance(outcome, ConnectorError) else outcome
            if required and isinstance(outcome, ConnectorError):
                self.notes.append(f"{name} not read: {_short(outcome)}")
        return found

    async def _attempt(self, wish: Callable[[], Awaitable[list[JsonObject]]]) -> list[JsonObject] | ConnectorError:
        try:
            return await wish()
        except ConnectorError as error:
            return error
        except self._driver_errors() as error:
            return translate(error, self._name)

    @staticmethod
    def _driver_errors() -> tuple[type[Exception], ...]:
        import aiohttp

        return (aiohttp.ClientError,)

    def _namespaces(self, namespace: str) -> tuple[str, ...]:
        allowed = self._config.namespaces
        if namespace and allowed and namespace not in allowed:
            raise Rejected(f"{self._name} reads only these namespaces: {', '.join(allowed)}.")
        return (namespace,) if namespace else allowed or ("",)

    async def _pages(
        self, plural: str, namespace: str, selectors: Mapping[str, str], *, metadata_only: bool
    ) -> list[JsonObject]:
        found: list[JsonObject] = []
        token = ""
        while True:
            query = {"limit": str(PAGE)}
            query |= {key: value for key, value in selectors.items() if value}
            query |= {"continue": token} if token else {}
            try:
                page = await self._page(plural, namespace, query, metadata_only=metadata_only)
            except (NotFound, Rejected) as error:
                # A page that grew stale or too large after others were read: keep those, and say so.
                if not found:
                    raise
                self.cut.add(plural)
                self.notes.append(f"only {len(found):,} {plural} read: {_short(error)}")
                return found
            found += page[0]
            token = page[1]
            if not token:
                return found
            if len(found) >= self._most:
                self.cut.add(plural)
                self.notes.append(f"only the first {len(found):,} {plural} were read")
                return found

    async def _page(
        self, plural: str, namespace: str, query: dict[str, str], *, metadata_only: bool
    ) -> tuple[list[JsonObject], str]:
        resource = RESOURCES[plural]
        prefix = f"{resource.path}/namespaces/{namespace}" if namespace else resource.path
        self.requests.append(f"GET {prefix}/{plural}?{urlencode(query)}")
        if metadata_only:
            response = await self._metadata_call(f"{prefix}/{plural}", query)
        else:
            response = await self._typed_call(resource, namespace, query)
        document = (await self.reply(response)).json(self._name)
        if not isinstance(document, dict) or not isinstance(document.get("items"), list):
            raise Malformed(f"{self._name} answered something that is not a list of {plural}.")
        items = objects(document, "items")
        for entry in items:
            # Elements of a list carry no kind of their own.
            entry.setdefault("kind", resource.kind)
        return items, text(document, "metadata", "continue") or ""

    async def _typed_call(self, resource: Resource, namespace: str, query: dict[str, str]) -> Any:
        from kubernetes_asyncio import client

        api = getattr(client, resource.api)(self._api)
        options: dict[str, Any] = {"limit": int(query["limit"]), "_preload_content": False}
        if "fieldSelector" in query:
            options["field_selector"] = query["fieldSelector"]
        if "labelSelector" in query:
            options["label_selector"] = query["labelSelector"]
        if "continue" in query:
            options["_continue"] = query["continue"]
        if not resource.namespaced:
            return await getattr(api, f"list_{resource.stem}")(**options)
        if namespace:
            return await getattr(api, f"list_namespaced_{resource.stem}")(namespace, **options)
        return await getattr(api, f"list_{resource.stem}_for_all_namespaces")(**options)

    async def _metadata_call(self, path: str, query: dict[str, str]) -> Any:
        return await self._api.call_api(
            path,
            "GET",
            query_params=list(query.items()),
            header_params={"Accept": _METADATA_ONLY},
            auth_settings=["BearerToken"],
            _preload_content=False,
        )

    async def secret_names(self, namespace: str = "") -> list[JsonObject]:
        """Names of Secrets only: the API is asked for metadata, and of that nothing but the name is kept."""
        found: list[JsonObject] = []
        for one in self._namespaces(namespace):
            path = f"/api/v1/namespaces/{one}/secrets" if one else "/api/v1/secrets"
            self.requests.append(f"GET {path}?limit={PAGE} (metadata only)")
            response = await self._metadata_call(path, {"limit": str(PAGE)})
            document = (await self.reply(response)).json(self._name)
            if text(document, "kind") != "PartialObjectMetadataList":
                raise Rejected("The API server does not give metadata alone, so Secrets are not listed.")
            for entry in objects(document, "items"):
                kept: JsonObject = {key: at(entry, "metadata", key) for key in ("name", "namespace")}
                found.append({"kind": "Secret", "metadata": kept})
            if text(document, "metadata", "continue"):
                raise Rejected(f"There are more than {PAGE} Secrets, so missing ones cannot be told.")
        return found

    async def log(
        self, pod: str, namespace: str, *, container: str, previous: bool, tail: int, since_s: int | None, most: int
    ) -> str:
        """The end of one container's log, each line with its time."""
        from kubernetes_asyncio import client

        options: dict[str, Any] = {"previous": previous, "tail_lines": tail, "limit_bytes": most, "timestamps": True}
        options |= {"container": container} if container else {}
        options |= {"since_seconds": since_s} if since_s else {}
        asked = urlencode({"container": container, "previous": previous, "tailLines": tail, "limitBytes": most})
        self.requests.append(f"GET /api/v1/namespaces/{namespace}/pods/{pod}/log?{asked}")
        api = client.CoreV1Api(self._api)
        response = await api.read_namespaced_pod_log(pod, namespace, _preload_content=False, **options)
        reply = await self.reply(response)
        return reply.body.decode("utf-8", "replace")

    async def reply(self, response: Any) -> Reply:
        """The body within what is left of the budget, or the named error for its status."""
        whole = False
        try:
            failed = response.status >= 300
            body, whole = await self._body(response, _ERROR_BYTES if failed else self._room)
        finally:
            # A body that was not read to its end would block the connection for whoever gets it next.
            response.release() if whole else response.close()
        headers = {key.lower(): value for key, value in response.headers.items()}
        reply = Reply(response.status, headers, body)
        if failed:
            raise status_error(reply, self._name, self._config.secrets)
        if not whole:
            raise Rejected(f"{self._name} answered too many bytes. Name a namespace or fewer services.")
        return reply

    async def _body(self, response: Any, most: int) -> tuple[bytes, bool]:
        parts: list[bytes] = []
        size = 0
        async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
            size += len(chunk)
            self._room -= len(chunk)
            self.bytes += len(chunk)
            if size > most or self._room < 0:
                return b"".join(parts), False
            parts.append(chunk)
        return b"".join(parts), True

    def source_query(self) -> str:
        """The requests as sent, one a line."""
        return "\n".join(self.requests) or "(nothing asked)"

    def truncated(self, extra: Sequence[str] = ()) -> str | None:
        """All notes as one sentence, None when there are none."""
        return "; ".join(dict.fromkeys([*self.notes, *extra])) or None


def _short(error: ConnectorError) -> str:
    if isinstance(error, Unauthorized):
        return "the account may not list them"
    if isinstance(error, NotFound):
        return "the cluster does not have this kind"
    return str(error).rstrip(".")


def translate(error: Exception, name: str) -> ConnectorError:
    """The named error for what aiohttp or the driver raises; their own words are not repeated."""
    import aiohttp

    from connectors._redirects import RedirectedError, redirected
    from connectors.errors import Misconfigured, TimedOut, Unavailable

    if isinstance(error, RedirectedError):
        return redirected(error, name)
    if isinstance(error, aiohttp.ClientSSLError | aiohttp.ServerFingerprintMismatch):
        return Misconfigured(f"{name}: the TLS certificate does not fit. Set ca_file, or check the address.")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return Unavailable(f"{name} cannot be reached: its host name does not resolve.")
    if isinstance(error, aiohttp.InvalidURL):
        return Misconfigured(f"{name}: the address cannot be used.")
    if isinstance(error, aiohttp.ServerTimeoutError):
        return TimedOut(f"{name} did not answer in time.")
    if isinstance(error, aiohttp.ClientConnectorError):
        return Unavailable(f"{name} cannot be reached: the connection was refused.")
    if isinstance(error, aiohttp.ClientResponseError | aiohttp.ClientPayloadError):
        return Malformed(f"{name} answered something that is not whole HTTP.")
    return Unavailable(f"{name} closed the connection before the answer was complete.")
