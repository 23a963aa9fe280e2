"""The Kubernetes connector: lifecycle and health here, the tools in the modules beside it."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import aiohttp

from connectors._redirects import no_redirects
from connectors.base import Connector
from connectors.errors import ConnectorError, Misconfigured
from connectors.kubernetes.config import KubernetesConfig, client_configuration
from connectors.kubernetes.identity import service_of
from connectors.kubernetes.reader import Reader, translate
from connectors.kubernetes.reading import flag, mapping, name_of, text
from connectors.kubernetes.tools_change import ChangeTools
from connectors.kubernetes.tools_network import NetworkTools
from connectors.kubernetes.tools_query import QueryTools
from connectors.kubernetes.tools_write import WriteTools
from connectors.model import (
    Clock,
    Health,
    HealthStatus,
    JsonObject,
    Limits,
    SchemaEntry,
    SourceSchema,
)

_PROBE_BYTES = 1_000_000
_MOST_NAMES = 500
# What an account that only reads must not be allowed to do: https://kubernetes.io/docs/reference/access-authn-authz/rbac/
_WRITES = (("patch", "apps", "deployments"), ("delete", "", "pods"), ("create", "", "pods"))


class KubernetesConnector(QueryTools, NetworkTools, ChangeTools, WriteTools, Connector[KubernetesConfig]):
    """One context of one cluster, read through typed list and get calls; changes only with `writes: true`."""

    type: ClassVar[str] = "kubernetes"
    Config = KubernetesConfig
    driver_errors = (aiohttp.ClientError,)

    def __init__(self, *, name: str, config: KubernetesConfig, environment: str, clock: Clock) -> None:
        super().__init__(name=name, config=config, environment=environment, clock=clock)
        self._client: Any = None
        self._opening = asyncio.Lock()

    async def open(self) -> None:
        try:
            await self._api()
        except Misconfigured:
            return  # said again, with the same words, by `check` and by every call

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _api(self) -> Any:
        async with self._opening:
            if self._client is None:
                configuration = await client_configuration(self.config, name=self.name)
                from kubernetes_asyncio import client  # by now loaded, in a thread: it takes over a second

                try:
                    self._client = client.ApiClient(configuration)
                    self._client.rest_client.pool_manager.trace_configs.append(no_redirects())
                except OSError as error:
                    reason = error.strerror or "not PEM"
                    raise Misconfigured(f"{self.name}: a certificate file cannot be used: {reason}.") from error
            return self._client

    async def reader(self, limits: Limits) -> Reader:
        return Reader(await self._api(), self.config, name=self.name, limits=limits)

    async def probe(self) -> Health:
        reader = await self.reader(Limits(max_bytes=_PROBE_BYTES))
        api = await self._api()
        # The driver's own call asks `/version/`, which not every proxy in front of a cluster passes on.
        response = await api.call_api("/version", "GET", auth_settings=["BearerToken"], _preload_content=False)
        document = (await reader.reply(response)).json(self.name)
        version = text(document, "gitVersion")
        if version is None:
            raise Misconfigured(f"{self.name}: this address does not answer like a Kubernetes API server.")
        may_list, writable = await asyncio.gather(self._may("list", "", "pods"), self._writable())
        detail = f"Kubernetes {version}"
        status = HealthStatus.HEALTHY
        if may_list is False:
            status = HealthStatus.DEGRADED
            detail += "; the account may not list pods"
        if writable and not self.config.writes:
            detail += "; the account could change workloads, give it a read-only role"
        return Health(status=status, latency_ms=0.0, detail=detail + ".", writable=writable, version=version)

    async def _writable(self) -> bool | None:
        answers = await asyncio.gather(*(self._may(*entry) for entry in _WRITES))
        if any(answers):
            return True
        return None if None in answers else False

    async def _may(self, verb: str, group: str, resource: str) -> bool | None:
        """Whether this account may; asks the API server and changes nothing. None when it will not say."""
        from kubernetes_asyncio import client

        attributes: JsonObject = {"verb": verb, "group": group, "resource": resource}
        if self.config.namespaces:
            attributes["namespace"] = self.config.namespaces[0]
        body: Any = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        api = client.AuthorizationV1Api(await self._api())
        reader = await self.reader(Limits(max_bytes=_PROBE_BYTES))
        try:
            response = await api.create_self_subject_access_review(body, _preload_content=False)
            document = (await reader.reply(response)).json(self.name)
        except ConnectorError:
            return None
        return flag(document, "status", "allowed")

    async def describe(self) -> SourceSchema:
        reader = await self.reader(Limits())
        found = await reader.gather("namespaces", "deployments", "statefulsets")
        spaces = [name_of(entry) for entry in found["namespaces"] or ()] or list(self.config.namespaces)
        workloads = [*(found["deployments"] or ()), *(found["statefulsets"] or ())]
        entries = [SchemaEntry(name=name, kind="namespace") for name in sorted(spaces)[:_MOST_NAMES]]
        entries += [_workload_entry(entry) for entry in workloads[:_MOST_NAMES]]
        services = sorted({service_of(entry) for entry in workloads})[:_MOST_NAMES]
        return SourceSchema(entries=tuple(entries), services=tuple(services), truncated=reader.truncated())

    def translate(self, error: Exception) -> ConnectorError:
        return translate(error, self.name)


def _workload_entry(entry: JsonObject) -> SchemaEntry:
    name = f"{text(entry, 'metadata', 'namespace')}/{name_of(entry)}"
    labels = dict.fromkeys(mapping(entry, "metadata", "labels"), "label")
    return SchemaEntry(name=name, kind=(text(entry, "kind") or "workload").lower(), fields=labels)


CONNECTOR = KubernetesConnector
