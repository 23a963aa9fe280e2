"""Settings of a Kubernetes source, and the driver's client made from them."""

from __future__ import annotations

import asyncio
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from connectors.errors import Misconfigured

_MAX_KUBECONFIG_BYTES = 4_000_000


class KubernetesConfig(BaseModel):
    """One cluster: a kubeconfig context, the pod's own service account, or an address with a token."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    kubeconfig_path: str | None = None
    contexts: tuple[str, ...] = Field(default=(), description="The context to read. Several make one source each.")
    in_cluster: bool = False
    url: str | None = None
    token: SecretStr | None = None
    ca_file: str | None = None
    client_cert_file: str | None = None
    client_key_file: str | None = None
    verify: bool = True
    namespaces: tuple[str, ...] = Field(default=(), description="Only these are read; empty: all.")
    allow_exec_plugin: bool = Field(default=False, description="A kubeconfig `exec` entry runs a program here.")
    read_secret_names: bool = Field(default=False, description="List names of Secrets, to tell missing ones.")
    link_template: str | None = Field(default=None, description="A link with {namespace} into your dashboard.")
    pool_size: int = Field(default=16, gt=0)
    writes: bool = Field(default=False, description="Carry out changes that were approved; otherwise only read.")
    max_replicas: int = Field(default=50, gt=0, description="No change asks for more replicas than this.")

    @field_validator("url")
    @classmethod
    def _plain_address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username:
            raise ValueError("must be an http:// or https:// address without a username")
        return value.rstrip("/")

    @field_validator("link_template")
    @classmethod
    def _web_link(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://")
        return value

    @model_validator(mode="after")
    def _one_way_in(self) -> KubernetesConfig:
        ways = [self.in_cluster, self.url is not None, self.kubeconfig_path is not None]
        if sum(ways) > 1:
            raise ValueError("give one of kubeconfig_path, url and in_cluster")
        return self

    @property
    def secrets(self) -> tuple[str, ...]:
        """Secret values in clear, for scrubbing a backend's own words."""
        return (self.token.get_secret_value(),) if self.token else ()

    def link(self, namespace: str) -> str | None:
        """The configured link with the namespace filled in."""
        return self.link_template.replace("{namespace}", namespace) if self.link_template else None


async def client_configuration(config: KubernetesConfig, *, name: str) -> Any:
    """The driver's Configuration for these settings. Misconfigured names what to fix; nothing is sent."""
    # 0.4 s of imports, in a thread so that the other sources go on meanwhile.
    client = await asyncio.to_thread(import_module, "kubernetes_asyncio.client")
    from kubernetes_asyncio import config as loaders

    made = client.Configuration()
    made.connection_pool_maxsize = config.pool_size
    try:
        if config.in_cluster:
            loaders.load_incluster_config(client_configuration=made)  # type: ignore[no-untyped-call]
        elif config.url:
            made.host = config.url
        else:
            await loaders.load_kube_config_from_dict(
                _kubeconfig(config, name), context=_context(config, name), client_configuration=made
            )
    except (loaders.ConfigException, ValueError, KeyError, TypeError, yaml.YAMLError) as error:
        raise Misconfigured(f"{name}: the kubeconfig or service account cannot be used: {_reason(error)}.") from error
    _own_settings(made, config)
    return made


def _reason(error: Exception) -> str:
    return type(error).__name__ if isinstance(error, yaml.YAMLError | TypeError) else str(error)[:200].rstrip(".")


def _own_settings(made: Any, config: KubernetesConfig) -> None:
    if config.token is not None:
        made.api_key = {"BearerToken": f"Bearer {config.token.get_secret_value().strip()}"}
    if config.ca_file:
        made.ssl_ca_cert = config.ca_file
    if config.client_cert_file:
        made.cert_file, made.key_file = config.client_cert_file, config.client_key_file
    if not config.verify:
        made.verify_ssl = False


def _context(config: KubernetesConfig, name: str) -> str | None:
    if len(config.contexts) > 1:
        raise Misconfigured(f"{name}: an instance reads one context, but {len(config.contexts)} are given.")
    return config.contexts[0] if config.contexts else None


def _kubeconfig(config: KubernetesConfig, name: str) -> dict[str, Any]:
    """The parsed kubeconfig, paths in it made absolute. Entries that run a program are refused unless allowed."""
    path = Path(config.kubeconfig_path or "~/.kube/config").expanduser()
    try:
        if path.stat().st_size > _MAX_KUBECONFIG_BYTES:
            raise Misconfigured(f"{name}: the kubeconfig is larger than {_MAX_KUBECONFIG_BYTES:,} bytes.")
        # Text in which nothing refers to anything else cannot unfold into a flood.
        loaded = _PlainLoader(path.read_text(encoding="utf-8")).get_single_data()
    except OSError as error:
        raise Misconfigured(f"{name}: the kubeconfig cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise Misconfigured(f"{name}: the kubeconfig is not text.") from error
    if not isinstance(loaded, dict):
        raise Misconfigured(f"{name}: the kubeconfig is not a mapping.")
    _refuse_programs(loaded, _context(config, name), config, name)
    return _absolute(loaded, path.parent)


class _PlainLoader(yaml.SafeLoader):
    """A SafeLoader without aliases."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.YAMLError("aliases are not allowed in a kubeconfig")
        return super().compose_node(parent, index)


def _refuse_programs(loaded: dict[str, Any], context: str | None, config: KubernetesConfig, name: str) -> None:
    chosen = _user_of(loaded, context or loaded.get("current-context"))
    if "auth-provider" in chosen:
        raise Misconfigured(f"{name}: auth-provider entries are not supported. Use a token of a service account.")
    if "exec" in chosen and not config.allow_exec_plugin:
        raise Misconfigured(
            f"{name}: this kubeconfig context runs a program to log in. "
            "Use a token of a service account, or set allow_exec_plugin: true if you trust the file."
        )


def _user_of(loaded: dict[str, Any], context: Any) -> dict[str, Any]:
    body = _named(loaded.get("contexts"), context).get("context") or {}
    user = _named(loaded.get("users"), body.get("user")).get("user")
    return user if isinstance(user, dict) else {}


def _named(entries: Any, name: Any) -> dict[str, Any]:
    found = [entry for entry in entries or () if isinstance(entry, dict) and entry.get("name") == name]
    return found[0] if found else {}


_PATHS = ("certificate-authority", "client-certificate", "client-key", "tokenFile")


def _absolute(loaded: dict[str, Any], base: Path) -> dict[str, Any]:
    """Files named in a kubeconfig are relative to it."""
    for section, key in (("clusters", "cluster"), ("users", "user")):
        for entry in loaded.get(section) or ():
            body = entry.get(key) if isinstance(entry, dict) else None
            if not isinstance(body, dict):
                continue
            for field in _PATHS:
                if isinstance(body.get(field), str):
                    body[field] = str(base / body[field])
    return loaded
