"""Services, endpoints and the ingress of the shop."""

from __future__ import annotations

from bot.demo.world.kube_objects import Object, ObjectView
from bot.demo.world.topology import NAMESPACE, SERVICES, Service


def services(view: ObjectView) -> list[Object]:
    """One ClusterIP service per workload."""
    return [_service(view, index, service) for index, service in enumerate(SERVICES.values())]


def _service(view: ObjectView, index: int, service: Service) -> Object:
    port = {"name": "http", "protocol": "TCP", "port": service.port, "targetPort": "http"}
    spec = {
        "type": "ClusterIP",
        "clusterIP": f"10.96.20.{10 + index}",
        "clusterIPs": [f"10.96.20.{10 + index}"],
        "ports": [port],
        "selector": {"app": service.name},
        "sessionAffinity": "None",
    }
    meta = view.meta(service.name, kind="Service", labels={"app": service.name})
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec, "status": {"loadBalancer": {}}}


def endpoints(view: ObjectView) -> list[Object]:
    """Addresses behind each service, ready and not ready."""
    rows = []
    for name, workload in view.cluster.workloads.items():
        subset: Object = {"ports": [{"name": "http", "port": workload.service.port, "protocol": "TCP"}]}
        for pod in workload.pods_at(view.t):
            key = "addresses" if pod.serving(view.t) else "notReadyAddresses"
            target = {"kind": "Pod", "namespace": NAMESPACE, "name": pod.name, "uid": pod.uid}
            subset.setdefault(key, []).append({"ip": pod.ip, "nodeName": pod.node, "targetRef": target})
        meta = view.meta(name, kind="Endpoints", labels={"app": name})
        rows.append({"apiVersion": "v1", "kind": "Endpoints", "metadata": meta, "subsets": [subset]})
    return rows


def endpointslices(view: ObjectView) -> list[Object]:
    """The same addresses as slices."""
    rows = []
    for name, workload in view.cluster.workloads.items():
        items = [
            {
                "addresses": [pod.ip],
                "nodeName": pod.node,
                "conditions": {"ready": pod.serving(view.t), "serving": pod.serving(view.t), "terminating": False},
                "targetRef": {"kind": "Pod", "namespace": NAMESPACE, "name": pod.name, "uid": pod.uid},
            }
            for pod in workload.pods_at(view.t)
        ]
        meta = view.meta(f"{name}-x7k2p", kind="EndpointSlice", labels={"kubernetes.io/service-name": name})
        ports = [{"name": "http", "port": workload.service.port, "protocol": "TCP"}]
        rows.append(
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": meta,
                "addressType": "IPv4",
                "ports": ports,
                "endpoints": items,
            }
        )
    return rows


def ingresses(view: ObjectView) -> list[Object]:
    """The way in."""
    backend = {"service": {"name": "frontend", "port": {"name": "http"}}}
    path = {"path": "/", "pathType": "Prefix", "backend": backend}
    spec = {"ingressClassName": "nginx", "rules": [{"host": "shop.example", "http": {"paths": [path]}}]}
    meta = view.meta("frontend", kind="Ingress")
    status = {"loadBalancer": {"ingress": [{"ip": "203.0.113.20"}]}}
    return [{"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": meta, "spec": spec, "status": status}]
