"""Tools that check how things are joined: services, references, network policies."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from connectors.base import Answer, Ask, tool
from connectors.errors import ConnectorError
from connectors.kubernetes.arguments import Scope
from connectors.kubernetes.cluster import policy_item
from connectors.kubernetes.reader import Reader
from connectors.kubernetes.reading import name_of, namespace_of
from connectors.kubernetes.references import Keys, existing_in, reference_items
from connectors.kubernetes.services import service_item
from connectors.kubernetes.tools_base import Tools, items_of, of_services
from connectors.model import EvidenceKind, Item, JsonObject

_WORKLOADS = ("deployments", "statefulsets", "daemonsets", "cronjobs")


class NetworkTools(Tools):
    """How things are joined."""

    @tool("Services against their pods, endpoints and ports, broken ones first.", returns=[EvidenceKind.OBJECTS])
    async def check_services(self, arguments: Scope, ask: Ask) -> Answer:
        reader = await self.reader(ask.limits)
        found = await reader.gather("services", "endpointslices", "pods", namespace=arguments.namespace)
        endpoints = found["endpointslices"]
        if endpoints is None:
            older = {"endpoints": partial(reader.listing, "endpoints", namespace=arguments.namespace)}
            endpoints = (await reader.partial(older, required=False))["endpoints"]
        if reader.cut & {"endpointslices", "endpoints"}:
            endpoints = None
        pods = reader.whole("pods", found)
        items = [service_item(entry, endpoints, pods) for entry in found["services"] or ()]
        items = [entry for entry in items if _concerns(entry, arguments.services)]
        items.sort(key=lambda entry: (entry.fields.get("problem") is None, entry.name))
        return self.objects(items, reader, namespace=arguments.namespace)

    @tool(
        "References to config, secrets, accounts, claims and service addresses that lead nowhere.",
        returns=[EvidenceKind.OBJECTS],
    )
    async def check_references(self, arguments: Scope, ask: Ask) -> Answer:
        reader = await self.reader(ask.limits)
        found = await reader.gather(
            *_WORKLOADS,
            "configmaps",
            "serviceaccounts",
            "persistentvolumeclaims",
            "services",
            namespace=arguments.namespace,
        )
        secrets = await self._secret_names(reader, arguments.namespace)
        workloads = [entry for plural in _WORKLOADS for entry in found[plural] or ()]
        items: list[Item] = []
        for namespace, members in _by_namespace(of_services(workloads, arguments.services)).items():
            existing = existing_in(
                namespace,
                config_maps=reader.whole("configmaps", found),
                secret_keys=_names_in(secrets, namespace),
                service_accounts=reader.whole("serviceaccounts", found),
                claims=reader.whole("persistentvolumeclaims", found),
                services=reader.whole("services", found),
            )
            items += [entry for workload in members for entry in reference_items(workload, existing)]
        return self.objects(items, reader, namespace=arguments.namespace)

    async def _secret_names(self, reader: Reader, namespace: str) -> list[JsonObject] | None:
        """Names of Secrets when the settings allow the listing and the account may; None otherwise."""
        if not self.config.read_secret_names:
            return None
        try:
            names = await reader.secret_names(namespace)
            return None if "secrets" in reader.cut else names
        except ConnectorError as error:
            reader.notes.append(f"names of Secrets not read: {str(error).rstrip('.')}")
            return None

    @tool("Network policies with the pods each chooses and what it lets through.", returns=[EvidenceKind.OBJECTS])
    async def list_policies(self, arguments: Scope, ask: Ask) -> Answer:
        reader = await self.reader(ask.limits)
        found = await reader.gather("networkpolicies", "pods", namespace=arguments.namespace)
        pods = of_services(found["pods"] or (), arguments.services)
        items = items_of(found["networkpolicies"], lambda entry: policy_item(entry, pods))
        if arguments.services:
            items = [entry for entry in items if entry.fields.get("selected_pods")]
        return self.objects(items, reader, namespace=arguments.namespace)


def _concerns(entry: Item, services: list[str]) -> bool:
    return not services or entry.name in services or entry.fields.get("service") in services


def _by_namespace(objects: Iterable[JsonObject]) -> dict[str, list[JsonObject]]:
    found: dict[str, list[JsonObject]] = {}
    for obj in objects:
        found.setdefault(namespace_of(obj) or "", []).append(obj)
    return found


def _names_in(secrets: list[JsonObject] | None, namespace: str) -> Keys | None:
    """Key names stay unknown: a listing of metadata has none."""
    if secrets is None:
        return None
    return {name_of(entry): None for entry in secrets if namespace_of(entry) == namespace}
