"""The files a world writes for others: sources.yaml and a kubeconfig."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from bot.demo.world.elasticsearch import USER
from bot.demo.world.postgres import PostgresEndpoint
from bot.demo.world.topology import ENVIRONMENT, NAMESPACE, SERVICES, SQUADS

CONTEXT = "production"


def kubeconfig(url: str, token: str) -> str:
    """A kubeconfig with one context."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": CONTEXT,
        "clusters": [{"name": CONTEXT, "cluster": {"server": url}}],
        "users": [{"name": "inquest", "user": {"token": token}}],
        "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": "inquest", "namespace": NAMESPACE}}],
    }
    return yaml.safe_dump(config, sort_keys=False)


def _database(postgres: PostgresEndpoint) -> dict[str, Any]:
    return {
        "name": "squad_payment_prod",
        "type": "postgresql",
        "host": postgres.host,
        "port": postgres.port,
        "database": postgres.database,
        "username": postgres.username,
        "password": f"${{DEMO_PAYMENT_DB_PASSWORD:-{postgres.password}}}",
        "squad": "payment",
        "services": ["payment-service"],
        "environment": ENVIRONMENT,
    }


def sources(
    *,
    prometheus_url: str,
    elasticsearch_url: str,
    elasticsearch_password: str,
    kubeconfig_path: Path,
    postgres: PostgresEndpoint | None,
) -> str:
    """Text of sources.yaml; the throw-away passwords of this world stand in as defaults."""
    data: dict[str, Any] = {
        "prometheus": {"enabled": True, "url": prometheus_url, "environment": ENVIRONMENT},
        "elasticsearch": {
            "enabled": True,
            "hosts": [elasticsearch_url],
            "username": USER,
            "password": f"${{DEMO_ES_PASSWORD:-{elasticsearch_password}}}",
            "indices": {"logs": "logs-*", "deployments": "deployments-*"},
            "environment": ENVIRONMENT,
        },
        "kubernetes": {
            "enabled": True,
            "kubeconfig_path": str(kubeconfig_path),
            "contexts": [CONTEXT],
            "environment": ENVIRONMENT,
            "writes": True,
        },
    }
    if postgres is not None:
        data["databases"] = [_database(postgres)]
    squads = {
        squad: {
            "channels": [channel],
            "services": [s.name for s in SERVICES.values() if s.squad == squad],
            "keywords": list(words),
        }
        for squad, (channel, words) in SQUADS.items()
    }
    return yaml.safe_dump({"data_sources": data, "squads": squads}, sort_keys=False)
