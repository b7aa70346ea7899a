"""Values of `fieldRef` and `resourceFieldRef`, for environments and downwardAPI volumes. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal

from pilothouse.api.types.core_v1 import Pod, ResourceFieldSelector
from pilothouse.kubelet.launch.errors import ConfigError
from pilothouse.kubelet.pods.amounts import own_limits
from pilothouse.kubelet.pods.spec import container_of
from pilothouse.kubelet.pods.steps import AnyContainer
from pilothouse.machinery import quantity
from pilothouse.machinery.quoting import go_quoted

SUBSCRIPT = re.compile(r"(metadata\.(?:labels|annotations))\['([^']+)'\]")


def field_value(pod: Pod, path: str, *, host_ips: Sequence[str] = (), pod_ips: Sequence[str] = ()) -> str:
    """Value of a fieldPath. Raises ConfigError for an unsupported one."""
    meta = pod.metadata
    match = SUBSCRIPT.fullmatch(path)
    if match is not None:
        source = meta.labels if match[1] == "metadata.labels" else meta.annotations
        return source.get(match[2], "")
    plain = {
        "metadata.name": meta.name,
        "metadata.namespace": meta.namespace,
        "metadata.uid": meta.uid,
        "spec.nodeName": pod.spec.nodeName,
        "spec.serviceAccountName": pod.spec.serviceAccountName,
        "status.hostIP": host_ips[0] if host_ips else "",
        "status.hostIPs": ",".join(host_ips),
        "status.podIP": pod_ips[0] if pod_ips else "",
        "status.podIPs": ",".join(pod_ips),
    }
    if path in plain:
        return plain[path]
    if path in {"metadata.labels", "metadata.annotations"}:
        return formatted(meta.labels if path == "metadata.labels" else meta.annotations)
    raise ConfigError(f"unsupported fieldPath: {path}")


def formatted(values: Mapping[str, str]) -> str:
    """A map as written to downwardAPI files: `key="value"`, sorted, values quoted as Go does."""
    return "\n".join(f"{key}={go_quoted(values[key])}" for key in sorted(values))


def go_duration(seconds: float) -> str:
    """A duration of whole milliseconds as Go prints it: `123ms`, `1.5s`, `1m20s`, `1h0m0s`."""
    whole = int(seconds * 1000)
    if 0 < whole < 1000:
        return f"{whole}ms"
    minutes, rest = divmod(whole, 60_000)
    text = f"{rest / 1000:.3f}".rstrip("0").rstrip(".") + "s"
    if minutes:
        text = f"{minutes % 60}m{text}"
    return f"{minutes // 60}h{text}" if minutes >= 60 else text


def resource_value(pod: Pod, selector: ResourceFieldSelector, container: AnyContainer | None, allocatable: Mapping[str, str]) -> str:
    """Value of a resourceFieldRef in units of its divisor, rounded up. Missing limits are the Pod's, else the node's allocatable."""
    if selector.containerName:
        container = container_of(pod, selector.containerName)
    if container is None:
        raise ConfigError(f"container {selector.containerName} not found")
    side, _, name = selector.resource.partition(".")
    if side not in {"limits", "requests"}:
        raise ConfigError(f"Unsupported container resource : {selector.resource}")
    own = container.resources
    if side == "requests":
        value = own.requests.get(name, own.limits.get(name, "0"))
    else:
        value = own.limits.get(name) or own_limits(pod).get(name) or allocatable.get(name, "0")
    divisor = selector.divisor if selector.divisor not in {None, "", "0", 0} else "1"
    return _divided(name, value, divisor if divisor is not None else "1")


def _divided(name: str, value: str | int | float, divisor: str | int | float) -> str:
    if name == "cpu":
        amount, unit = Decimal(quantity.milli(value)), Decimal(quantity.milli(divisor))
    else:
        amount, unit = Decimal(quantity.value(value)), Decimal(max(quantity.value(divisor), 1))
    return str(int((amount / unit).to_integral_value(rounding="ROUND_CEILING")))
