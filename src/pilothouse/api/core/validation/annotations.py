"""Validation of Pod annotations: mirror Pods, and AppArmor and seccomp profiles."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pilothouse.api import wellknown
from pilothouse.api.core.validation.paths import validate_descending
from pilothouse.api.types.core_v1 import PodSpec
from pilothouse.machinery import strconv
from pilothouse.machinery.problems import Problems

SECCOMP_PROFILES, APPARMOR_PROFILES = ("runtime/default", "docker/default", "unconfined"), ("", "runtime/default", "unconfined")
LOCALHOST = "localhost/"


def validate_pod_annotations(annotations: Mapping[str, str], spec: PodSpec, problems: Problems) -> None:
    """Validate annotations of a Pod or template."""
    if wellknown.CONFIG_MIRROR in annotations and not spec.nodeName:
        problems.at(f"[{wellknown.CONFIG_MIRROR}]").invalid(
            annotations[wellknown.CONFIG_MIRROR], "must set spec.nodeName if mirror pod annotation is set"
        )
    cost = annotations.get(wellknown.POD_DELETION_COST)
    if cost is not None and not _is_int32(cost):
        problems.at(f"[{wellknown.POD_DELETION_COST}]").invalid(cost, "must be a 32bit integer")
    for key, value in annotations.items():
        if key == wellknown.SECCOMP_POD or key.startswith(wellknown.SECCOMP_CONTAINER_PREFIX):
            _validate_seccomp(value, problems.at(key))
    for key, value in annotations.items():
        if key.startswith(wellknown.APPARMOR_CONTAINER_PREFIX):
            _validate_apparmor(key, value, spec, problems.at(f"[{key}]"))


def _is_int32(text: str) -> bool:
    """Without a plus and without leading zeros, as upstream reads it."""
    return re.fullmatch("0|-?[1-9][0-9]{0,9}", text) is not None and strconv.integer(text, strconv.INT32) is not None


def _validate_seccomp(profile: str, problems: Problems) -> None:
    if profile.startswith(LOCALHOST):
        validate_descending(profile.removeprefix(LOCALHOST), problems)
    elif profile not in SECCOMP_PROFILES:
        problems.invalid(profile, "must be a valid seccomp profile")


def _validate_apparmor(key: str, profile: str, spec: PodSpec, problems: Problems) -> None:
    name = key.removeprefix(wellknown.APPARMOR_CONTAINER_PREFIX)
    known = [container.name for container in (*spec.initContainers, *spec.containers)] + [
        container.name for container in spec.ephemeralContainers
    ]
    if name not in known:
        problems.invalid(name, "container not found")
    if profile not in APPARMOR_PROFILES and not profile.startswith(LOCALHOST):
        problems.invalid(profile, f'invalid AppArmor profile name: "{profile}"')


def validate_annotations_kept(old: Mapping[str, str], new: Mapping[str, str], problems: Problems) -> None:
    """Report changes of the mirror and AppArmor annotations, which are immutable."""
    for key, value in old.items():
        if new.get(key) == value:
            continue
        if key.startswith(wellknown.APPARMOR_CONTAINER_PREFIX):
            problems.at(f"[{key}]").forbidden("may not remove or update AppArmor annotations")
        if key == wellknown.CONFIG_MIRROR:
            problems.at(f"[{key}]").forbidden("may not remove or update mirror pod annotation")
    for key in new:
        if key in old:
            continue
        if key.startswith(wellknown.APPARMOR_CONTAINER_PREFIX):
            problems.at(f"[{key}]").forbidden("may not add AppArmor annotations")
        if key == wellknown.CONFIG_MIRROR:
            problems.at(f"[{key}]").forbidden("may not add mirror pod annotation")
