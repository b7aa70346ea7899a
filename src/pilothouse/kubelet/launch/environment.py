"""Environment variables of a container: envFrom, env with references and sources, and service variables.

ConfigMaps and Secrets are awaited; everything else is computed. What is missing is a ConfigError in upstream's words, unless it is
optional.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from pilothouse.api.types.core_v1 import ConfigMap, EnvFromSource, EnvVarSource, Pod, Secret
from pilothouse.kubelet.launch.errors import ConfigError
from pilothouse.kubelet.launch.expansion import expand
from pilothouse.kubelet.launch.fields import field_value, resource_value
from pilothouse.kubelet.pods.steps import AnyContainer
from pilothouse.machinery.errors import StatusError

T = TypeVar("T")


class Objects(Protocol):
    """Source of ConfigMaps, Secrets and other objects that Pods refer to (objects.py)."""

    async def get(self, kind: type[T], namespace: str, name: str) -> T:
        """The object. Raises a 404 StatusError when it is missing, TimeoutError when the API does not answer."""

    async def select(self, kind: type[T], namespace: str, field_selector: str) -> list[T]:
        """The objects that a field selector chooses. Raises TimeoutError when the API does not answer."""


@dataclass(slots=True, frozen=True)
class EnvironmentContext:
    """What the node and the cluster contribute to a container's environment."""

    host_ips: Sequence[str] = ()
    pod_ips: Sequence[str] = ()
    allocatable: Mapping[str, str] = field(default_factory=dict)
    services: Mapping[str, str] = field(default_factory=dict)


async def environment(pod: Pod, container: AnyContainer, objects: Objects, context: EnvironmentContext) -> dict[str, str]:
    """Names and values. `env` overrides `envFrom`, and both override service variables."""
    variables: dict[str, str] = {}
    for source in container.envFrom:
        variables.update(await _env_from(pod, source, objects))
    for variable in container.env:
        if variable.value or variable.valueFrom is None:
            variables[variable.name] = expand(variable.value, {**context.services, **variables})
            continue
        value = await _value_from(pod, container, variable.valueFrom, objects, context)
        if value is not None:
            variables[variable.name] = value
    return {**variables, **{name: value for name, value in context.services.items() if name not in variables}}


async def fetched(objects: Objects, kind: type[T], namespace: str, name: str, optional: bool | None) -> T | None:
    """The object; None when it is missing and optional."""
    try:
        return await objects.get(kind, namespace, name)
    except StatusError as error:
        if error.code == 404 and optional:
            return None
        raise ConfigError(str(error)) from error
    except TimeoutError as error:
        raise ConfigError(f"failed to sync {kind.__name__.lower()} cache: timed out waiting for the condition") from error


async def _env_from(pod: Pod, source: EnvFromSource, objects: Objects) -> dict[str, str]:
    namespace = pod.metadata.namespace
    data: dict[str, str] = {}
    if source.configMapRef is not None:
        config = await fetched(objects, ConfigMap, namespace, source.configMapRef.name, source.configMapRef.optional)
        data = dict(config.data) if config is not None else {}
    elif source.secretRef is not None:
        secret = await fetched(objects, Secret, namespace, source.secretRef.name, source.secretRef.optional)
        data = {key: secret_text(value) for key, value in secret.data.items()} if secret is not None else {}
    return {source.prefix + key: value for key, value in data.items()}


def secret_text(encoded: str) -> str:
    """A Secret's value as text for an environment; bytes that are not UTF-8 are preserved."""
    return base64.b64decode(encoded).decode("utf-8", "surrogateescape")


async def _value_from(pod: Pod, container: AnyContainer, source: EnvVarSource, objects: Objects, context: EnvironmentContext) -> str | None:
    """None: the variable is left out (optional and missing)."""
    if source.fieldRef is not None:
        return field_value(pod, source.fieldRef.fieldPath, host_ips=context.host_ips, pod_ips=context.pod_ips)
    if source.resourceFieldRef is not None:
        return resource_value(pod, source.resourceFieldRef, container, context.allocatable)
    namespace = pod.metadata.namespace
    if source.configMapKeyRef is not None:
        wanted = source.configMapKeyRef
        config = await fetched(objects, ConfigMap, namespace, wanted.name, wanted.optional)
        return _key(config.data if config else None, "ConfigMap", namespace, wanted.name, wanted.key, wanted.optional)
    if source.secretKeyRef is not None:
        key = source.secretKeyRef
        secret = await fetched(objects, Secret, namespace, key.name, key.optional)
        encoded = _key(secret.data if secret else None, "Secret", namespace, key.name, key.key, key.optional)
        return None if encoded is None else secret_text(encoded)
    return ""


def _key(data: Mapping[str, str] | None, kind: str, namespace: str, name: str, key: str, optional: bool | None) -> str | None:
    if data is not None and key in data:
        return data[key]
    if data is None or optional:
        return None
    raise ConfigError(f"couldn't find key {key} in {kind} {namespace}/{name}")
