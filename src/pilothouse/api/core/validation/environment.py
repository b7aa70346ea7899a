"""Rules of environment variables, and of what they and downward files may refer to."""

from __future__ import annotations

import re
from collections.abc import Collection

from pilothouse.api.core.validation.fields import report, required_name
from pilothouse.api.core.validation.paths import validate_no_backsteps
from pilothouse.api.core.validation.remembered import remembering
from pilothouse.api.types.core_v1 import (
    ConfigMapKeySelector,
    EnvFromSource,
    EnvVar,
    FileKeySelector,
    ObjectFieldSelector,
    ResourceFieldSelector,
    SecretKeySelector,
)
from pilothouse.machinery import names, quantity
from pilothouse.machinery.problems import Problems

FIELDS = (
    "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
    "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs",
)  # fmt: skip
RESOURCES = (
    "limits.cpu", "limits.ephemeral-storage", "limits.memory", "requests.cpu", "requests.ephemeral-storage", "requests.memory",
)  # fmt: skip
HUGE_PAGES = ("requests.hugepages-", "limits.hugepages-")
KNOWN_LABELS = {*FIELDS, "metadata.annotations", "metadata.labels", "spec.restartPolicy", "spec.schedulerName", "status.phase"}
SUBSCRIPTED = re.compile(r"(.*)\['(.*)'\]")
BYTE_DIVISORS = ("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei")
ALSO_VALUE = "may not be specified when `value` is not empty"
ONE_ONLY = "may not have more than one field specified at a time"


@remembering
def validate_env(variables: list[EnvVar], problems: Problems) -> None:
    """Names and sources of environment variables. Equal lists are checked once. Upstream: ValidateEnv."""
    for index, variable in enumerate(variables):
        here = problems.at(index)
        if not variable.name:
            here.at("name").required()
        else:
            report(names.relaxed_environment_name(variable.name), variable.name, here, "name")
        if variable.valueFrom is not None:
            _validate_source(variable, here.at("valueFrom"))


def _validate_source(env_var: EnvVar, problems: Problems) -> None:
    source = env_var.valueFrom
    assert source is not None
    given = [source.fieldRef, source.resourceFieldRef, source.configMapKeyRef, source.secretKeyRef, source.fileKeyRef]
    if source.fieldRef:
        validate_field_ref(source.fieldRef, FIELDS, problems.at("fieldRef"))
    if source.resourceFieldRef:
        validate_resource_ref(source.resourceFieldRef, problems.at("resourceFieldRef"), volume=False)
    for field, selector in (("configMapKeyRef", source.configMapKeyRef), ("secretKeyRef", source.secretKeyRef)):
        if selector:
            _validate_key(selector, problems.at(field))
    if source.fileKeyRef:
        _validate_file_key(source.fileKeyRef, problems.at("fileKeyRef"))
    count = sum(source is not None for source in given)
    if count == 0:
        problems.invalid("", "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`")
    elif env_var.value:
        problems.invalid("", ALSO_VALUE)
    elif count > 1:
        problems.invalid("", ONE_ONLY)


def _validate_key(selector: ConfigMapKeySelector | SecretKeySelector, problems: Problems) -> None:
    report(names.dns_subdomain(selector.name), selector.name, problems, "name")
    if not selector.key:
        problems.at("key").required()
    else:
        report(names.config_map_key(selector.key), selector.key, problems, "key")


def _validate_file_key(selector: FileKeySelector, problems: Problems) -> None:
    """A variable out of a file in an emptyDir volume (KEP-3721)."""
    if not selector.key:
        problems.at("key").required()
    else:
        report(names.relaxed_environment_name(selector.key), selector.key, problems, "key")
    if not selector.volumeName:
        problems.at("volumeName").required()
    else:
        report(names.dns_label(selector.volumeName), selector.volumeName, problems, "volumeName")
    if not selector.path:
        problems.at("path").required()
    else:
        validate_no_backsteps(selector.path, problems.at("path"))


def validate_env_from(sources: list[EnvFromSource], problems: Problems) -> None:
    """Prefixes and sources of envFrom. Upstream: ValidateEnvFrom."""
    for index, source in enumerate(sources):
        here = problems.at(index)
        if source.prefix:
            report(names.relaxed_environment_name(source.prefix), source.prefix, here, "prefix")
        if source.configMapRef:
            required_name(source.configMapRef.name, here, "configMapRef", "name")
        if source.secretRef:
            required_name(source.secretRef.name, here, "secretRef", "name")
        if not source.configMapRef and not source.secretRef:
            problems.invalid("", "must specify one of: `configMapRef` or `secretRef`")
        elif source.configMapRef and source.secretRef:
            problems.invalid("", ONE_ONLY)


def validate_field_ref(reference: ObjectFieldSelector, allowed: Collection[str], problems: Problems) -> None:
    """A field of the Pod itself; labels and annotations also one by one: `metadata.labels['key']`."""
    if not reference.apiVersion:
        problems.at("apiVersion").required()
        return
    if not reference.fieldPath:
        problems.at("fieldPath").required()
        return
    wrong = _conversion_error(reference)
    if wrong:
        problems.at("fieldPath").invalid(reference.fieldPath, f"error converting fieldPath: {wrong}")
        return
    match = SUBSCRIPTED.fullmatch(reference.fieldPath)
    if match:
        key = match[2].lower() if match[1] == "metadata.annotations" else match[2]
        report(names.qualified_name(key), key, problems)
    elif reference.fieldPath not in allowed:
        problems.at("fieldPath").not_supported(reference.fieldPath, allowed)


def _conversion_error(reference: ObjectFieldSelector) -> str:
    if reference.apiVersion != "v1":
        return f"unsupported pod version: {reference.apiVersion}"
    match = SUBSCRIPTED.fullmatch(reference.fieldPath)
    if match:
        return (
            ""
            if match[1] in ("metadata.annotations", "metadata.labels")
            else f"field label does not support subscript: {reference.fieldPath}"
        )
    return "" if reference.fieldPath in KNOWN_LABELS else f"field label not supported: {reference.fieldPath}"


def validate_resource_ref(reference: ResourceFieldSelector, problems: Problems, *, volume: bool) -> None:
    """A resource of a container; in a volume the container must be named."""
    if volume and not reference.containerName:
        problems.at("containerName").required()
    elif not reference.resource:
        problems.at("resource").required()
    elif reference.resource not in RESOURCES and not reference.resource.startswith(HUGE_PAGES):
        problems.at("resource").not_supported(reference.resource, RESOURCES)
    _validate_divisor(reference, problems.at("divisor"))


def _validate_divisor(reference: ResourceFieldSelector, problems: Problems) -> None:
    try:
        divisor = quantity.parse(reference.divisor or "0")
    except ValueError as error:
        problems.invalid(reference.divisor, str(error))
        return
    if not divisor.nanos:
        return
    name = reference.resource.partition(".")[2]
    if name == "cpu":
        if str(divisor) not in ("1m", "1"):
            problems.invalid(reference.resource, "only divisor's values 1m and 1 are supported with the cpu resource")
    elif name and str(divisor) not in BYTE_DIVISORS:
        called = {"ephemeral-storage": "local ephemeral storage"}.get(name, "hugepages" if name.startswith("hugepages") else name)
        problems.invalid(reference.resource, f"only divisor's values {', '.join(BYTE_DIVISORS)} are supported with the {called} resource")
