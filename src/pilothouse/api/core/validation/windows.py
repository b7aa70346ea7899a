"""Validation of fields by the Pod's operating system."""

from __future__ import annotations

from collections.abc import Iterator

from pilothouse.api.types.core_v1 import PodSpec, SecurityContext
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.said_empty import is_said

SYSTEMS = ("linux", "windows")
NOT_FOR_WINDOWS = "cannot be set for a windows pod"
OF_THE_POD = (
    "appArmorProfile", "seLinuxOptions", "seccompProfile", "fsGroup", "fsGroupChangePolicy", "sysctls", "runAsUser", "runAsGroup",
    "supplementalGroups", "supplementalGroupsPolicy", "seLinuxChangePolicy",
)  # fmt: skip
OF_THE_SPEC = ("hostUsers", "hostPID", "hostIPC", "shareProcessNamespace")
OF_A_CONTAINER = (
    "appArmorProfile", "seLinuxOptions", "seccompProfile", "capabilities", "readOnlyRootFilesystem", "privileged",
    "allowPrivilegeEscalation", "procMount", "runAsUser", "runAsGroup",
)  # fmt: skip


def validate_os(spec: PodSpec, problems: Problems) -> None:
    """`spec.os` is linux or windows, and no field is set that belongs to the other.."""
    if spec.os is None:
        return
    if not spec.os.name:
        problems.at("os", "name").required()
    elif spec.os.name not in SYSTEMS:
        problems.at("os").not_supported(spec.os.name, SYSTEMS)
    elif spec.os.name == "linux":
        _validate_linux(spec, problems)
    else:
        _validate_windows(spec, problems)


def _contexts(spec: PodSpec, problems: Problems) -> Iterator[tuple[SecurityContext, Problems]]:
    for field in ("initContainers", "containers", "ephemeralContainers"):
        for index, container in enumerate(getattr(spec, field)):
            if container.securityContext is not None:
                yield container.securityContext, problems.at(field, index, "securityContext")


def _validate_linux(spec: PodSpec, problems: Problems) -> None:
    message = "windows options cannot be set for a linux pod"
    if spec.securityContext and spec.securityContext.windowsOptions:
        problems.at("securityContext", "windowsOptions").forbidden(message)
    for context, here in _contexts(spec, problems):
        if context.windowsOptions:
            here.at("windowsOptions").forbidden(message)


def _validate_windows(spec: PodSpec, problems: Problems) -> None:
    for field in OF_THE_SPEC:
        value = getattr(spec, field)
        if value or (value is not None and field in ("hostUsers", "shareProcessNamespace")):
            problems.at(field).forbidden(NOT_FOR_WINDOWS)
    for field in OF_THE_POD if spec.securityContext else ():
        value = getattr(spec.securityContext, field)
        if value not in (None, "", []) or (field == "supplementalGroups" and is_said(value)):
            problems.at("securityContext", field).forbidden(NOT_FOR_WINDOWS)
    for context, here in _contexts(spec, problems):
        for field in OF_A_CONTAINER:
            if getattr(context, field) not in (None, ""):
                here.at(field).forbidden(NOT_FOR_WINDOWS)
