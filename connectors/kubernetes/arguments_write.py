"""The typed arguments of the Kubernetes write tools: one object each, named fields, bounds. Never a free patch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from connectors._writes import WriteArguments

_DNS = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
Name = Annotated[str, Field(max_length=253, pattern=_DNS)]
EnvironmentName = Annotated[str, Field(max_length=253, pattern=r"^[A-Za-z_][A-Za-z0-9_.-]*$")]
ConfigKey = Annotated[str, Field(max_length=253, pattern=r"^[A-Za-z0-9_.-]+$")]
MOST_REPLICAS = 500


class Namespaced(WriteArguments):
    namespace: Name
    name: Name


class RollbackArguments(Namespaced):
    """Of a Deployment."""

    to_revision: int = Field(ge=1, description="The revision whose pod template comes back.")


class RestartArguments(Namespaced):
    kind: Literal["Deployment", "StatefulSet", "DaemonSet"] = "Deployment"


class ScaleArguments(Namespaced):
    kind: Literal["Deployment", "StatefulSet"] = "Deployment"
    replicas: int = Field(ge=1, le=MOST_REPLICAS)


class NodeArguments(WriteArguments):
    name: Name


class PodArguments(Namespaced):
    """One pod."""


class RolloutArguments(Namespaced):
    """Of a Deployment."""


class EnvironmentArguments(Namespaced):
    """One variable of one container of a Deployment."""

    container: Name
    key: EnvironmentName
    value: str = Field(max_length=4_096)


class ConfigKeyArguments(Namespaced):
    """One key of one ConfigMap."""

    key: ConfigKey
    value: str = Field(max_length=32_768)


class AutoscalerArguments(Namespaced):
    """Bounds of a HorizontalPodAutoscaler."""

    min_replicas: int = Field(ge=1, le=MOST_REPLICAS)
    max_replicas: int = Field(ge=1, le=MOST_REPLICAS)

    @model_validator(mode="after")
    def _ordered(self) -> AutoscalerArguments:
        if self.max_replicas < self.min_replicas:
            raise ValueError("max_replicas must not be below min_replicas")
        return self
