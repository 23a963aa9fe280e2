"""The kinds of object the API server of the world serves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bot.demo.world import kube_network
from bot.demo.world.kube_events import events
from bot.demo.world.kube_objects import Object, ObjectView

Lister = Callable[[ObjectView], list[Object]]


@dataclass(frozen=True)
class Resource:
    """One kind of object: its group and version, plural and kind, and how to list it."""

    api: str
    plural: str
    kind: str
    namespaced: bool
    list: Lister

    @property
    def base(self) -> str:
        """Path of its API group."""
        return f"/api/{self.api}" if "/" not in self.api else f"/apis/{self.api}"


def _none(_view: ObjectView) -> list[Object]:
    return []


RESOURCES = (
    Resource("v1", "namespaces", "Namespace", False, ObjectView.namespaces),
    Resource("v1", "nodes", "Node", False, ObjectView.nodes),
    Resource("v1", "pods", "Pod", True, ObjectView.pods),
    Resource("v1", "events", "Event", True, lambda view: events(view.cluster, view.t)),
    Resource("v1", "services", "Service", True, kube_network.services),
    Resource("v1", "endpoints", "Endpoints", True, kube_network.endpoints),
    Resource("v1", "configmaps", "ConfigMap", True, ObjectView.configmaps),
    Resource("v1", "serviceaccounts", "ServiceAccount", True, ObjectView.serviceaccounts),
    Resource("v1", "resourcequotas", "ResourceQuota", True, ObjectView.resourcequotas),
    Resource("v1", "limitranges", "LimitRange", True, _none),
    Resource("v1", "persistentvolumeclaims", "PersistentVolumeClaim", True, _none),
    Resource("v1", "persistentvolumes", "PersistentVolume", False, _none),
    Resource("apps/v1", "deployments", "Deployment", True, ObjectView.deployments),
    Resource("apps/v1", "replicasets", "ReplicaSet", True, ObjectView.replicasets),
    Resource("apps/v1", "statefulsets", "StatefulSet", True, _none),
    Resource("apps/v1", "daemonsets", "DaemonSet", True, _none),
    Resource("batch/v1", "jobs", "Job", True, _none),
    Resource("batch/v1", "cronjobs", "CronJob", True, _none),
    Resource("autoscaling/v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", True, _none),
    Resource("networking.k8s.io/v1", "ingresses", "Ingress", True, kube_network.ingresses),
    Resource("networking.k8s.io/v1", "networkpolicies", "NetworkPolicy", True, _none),
    Resource("discovery.k8s.io/v1", "endpointslices", "EndpointSlice", True, kube_network.endpointslices),
    Resource("storage.k8s.io/v1", "storageclasses", "StorageClass", False, _none),
    Resource("policy/v1", "poddisruptionbudgets", "PodDisruptionBudget", True, _none),
)
