"""Validation of ObjectMeta."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from operator import attrgetter
from typing import Any

from pilothouse.kit.remember import remember
from pilothouse.machinery import names
from pilothouse.machinery.meta_v1 import ObjectMeta, OwnerReference
from pilothouse.machinery.problems import Problems

ANNOTATIONS_LIMIT = 256 * 1024
ORPHAN, FOREGROUND = "orphan", "foregroundDeletion"
STANDARD_FINALIZERS = frozenset({"kubernetes", ORPHAN, FOREGROUND})
"""The only ones without a domain."""
MANAGER_LIMIT = 128
LABELS_REMEMBERED = 4096
LONGEST_REMEMBERED = 256
BANNED_OWNERS = {("v1", "Event")}
IMMUTABLE = "field is immutable"
UPDATE_IMMUTABLE = ("name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")
_immutable = attrgetter(*UPDATE_IMMUTABLE)


def validate_metadata(
    meta: ObjectMeta, namespaced: bool, name_rule: Callable[[str], list[str]] | None, problems: Problems, *, any_finalizer: bool = False
) -> None:
    """The metadata of a new object, its name already generated. `problems` stands at the object's `metadata`."""
    rule = name_rule or names.dns_subdomain
    validate_generate_name(meta, rule, problems)
    if not meta.name:
        problems.at("name").required("name or generateName is required")
    else:
        for message in rule(meta.name):
            problems.at("name").invalid(meta.name, message)
    if namespaced:
        _validate_namespace(meta.namespace, problems.at("namespace"))
    elif meta.namespace:
        problems.at("namespace").forbidden("not allowed on this type")
    if meta.generation < 0:
        problems.at("generation").invalid(meta.generation, "must be greater than or equal to 0")
    _validate_common(meta, problems, any_finalizer=any_finalizer)
    _validate_managed_fields(meta, problems)


def validate_generate_name(meta: ObjectMeta, name_rule: Callable[[str], list[str]] | None, problems: Problems) -> None:
    """The prefix of a name that is, or was, to be generated."""
    if meta.generateName:
        for message in (name_rule or names.dns_subdomain)(maskable(meta.generateName)):
            problems.at("generateName").invalid(meta.generateName, message)


def validate_metadata_update(new: ObjectMeta, old: ObjectMeta, problems: Problems, *, any_finalizer: bool = False) -> None:
    """Validate immutable metadata fields and the changed ones."""
    _validate_change(new, old, problems)
    _validate_common(new, problems, any_finalizer=any_finalizer)
    _validate_managed_fields(new, problems)


def validate_custom_update(new: ObjectMeta, old: ObjectMeta, problems: Problems) -> None:
    """The same for custom resources, where upstream reports some problems two or three times."""
    _validate_common(new, problems, any_finalizer=True)
    for _ in range(2):
        _validate_change(new, old, problems)
        _validate_labels_and_owners(new, problems)
    _validate_managed_fields(new, problems)


def _validate_change(new: ObjectMeta, old: ObjectMeta, problems: Problems) -> None:
    if old.deletionTimestamp:
        extra = sorted(set(new.finalizers) - set(old.finalizers))
        if extra:
            shown = ", ".join(json.dumps(name) for name in extra)
            problems.at("finalizers").forbidden(
                f"no new finalizers can be added if the object is being deleted, found new finalizers []string{{{shown}}}"
            )
    if not new.resourceVersion:
        problems.at("resourceVersion").invalid("", "must be specified for an update")
    if new.generation < old.generation:
        problems.at("generation").invalid(new.generation, "must not be decremented")
    for name, value, before in zip(UPDATE_IMMUTABLE, _immutable(new), _immutable(old), strict=True):
        if value != before:
            problems.at(name).invalid(value, IMMUTABLE)


def maskable(generate_name: str) -> str:
    """generateName for validation: it may end in a hyphen, since a suffix follows."""
    return generate_name[:-2] + "a" if generate_name.endswith("-") and len(generate_name) > 1 else generate_name


def _validate_namespace(namespace: str, problems: Problems) -> None:
    if not namespace:
        problems.required()
    for message in names.dns_label(namespace) if namespace else ():
        problems.invalid(namespace, message)


def _validate_labels_and_owners(meta: ObjectMeta, problems: Problems) -> None:
    if meta.labels:
        validate_labels(meta.labels, problems.at("labels"))
    if meta.annotations:
        validate_annotations(meta.annotations, problems.at("annotations"))
    if meta.ownerReferences:
        _validate_owners(meta.ownerReferences, problems.at("ownerReferences"))


def _validate_common(meta: ObjectMeta, problems: Problems, *, any_finalizer: bool) -> None:
    _validate_labels_and_owners(meta, problems)
    if meta.finalizers:
        _validate_finalizers(meta.finalizers, problems.at("finalizers"), any_finalizer=any_finalizer)


def validate_labels(labels: Mapping[str, str], problems: Problems) -> None:
    """Report labels with invalid keys or values.

    As ValidateLabels of apimachinery's unversioned validation.
    """
    for key, value in labels.items():
        if len(key) + len(value) <= LONGEST_REMEMBERED and _is_right_label(key, value):
            continue
        for message in names.qualified_name(key):
            problems.invalid(key, message)
        for message in names.label_value(value):
            problems.invalid(value, message)


@lru_cache(LABELS_REMEMBERED)
def _is_right_label(key: str, value: str) -> bool:
    return not names.qualified_name(key) and not names.label_value(value)


def validate_annotations(annotations: Mapping[str, str], problems: Problems) -> None:
    """Report annotations with invalid keys, and a total size above 256 KiB.

    As apimachinery's ValidateAnnotations.
    """
    size = 0
    for key, value in annotations.items():
        size += len(key.encode()) + len(value.encode())
        for message in _problems_of_annotation(key):
            problems.invalid(key, message)
    if size > ANNOTATIONS_LIMIT:
        problems.too_long(ANNOTATIONS_LIMIT)


@remember(LABELS_REMEMBERED)
def _problems_of_annotation(key: str) -> list[str]:
    return names.qualified_name(key.lower())


def _validate_owners(owners: list[OwnerReference], problems: Problems) -> None:
    controller = ""
    for index, owner in enumerate(owners):
        here = problems.at(index)
        if owner.apiVersion and (owner.apiVersion.count("/") > 1 or owner.apiVersion.endswith("/")):
            here.at("apiVersion").invalid(owner.apiVersion, "must be <group>/<version> or <version>")
        for name in ("apiVersion", "kind", "name", "uid"):
            if not getattr(owner, name):
                here.at(name).required("must not be empty")
        if (owner.apiVersion, owner.kind) in BANNED_OWNERS:
            here.invalid(owner, f"/{owner.apiVersion}, Kind={owner.kind} is disallowed from being an owner")
        if owner.controller:
            if controller:
                problems.invalid(
                    owners,
                    'Only one reference can have Controller set to true. Found "true" in references for '
                    f"{controller} and {owner.kind}/{owner.name}",
                )
            controller = controller or f"{owner.kind}/{owner.name}"


def _validate_finalizers(finalizers: list[str], problems: Problems, *, any_finalizer: bool) -> None:
    for finalizer in finalizers:
        for message in names.qualified_name(finalizer):
            problems.invalid(finalizer, message)
    for index, finalizer in enumerate(finalizers):
        if not any_finalizer and "/" not in finalizer and finalizer not in STANDARD_FINALIZERS:
            problems.at(index).invalid(finalizer, "name is neither a standard finalizer name nor is it fully qualified")
    if ORPHAN in finalizers and FOREGROUND in finalizers:
        problems.invalid(finalizers, f"finalizer {ORPHAN} and {FOREGROUND} cannot be both set")


def _validate_managed_fields(meta: ObjectMeta, problems: Problems) -> None:
    for index, entry in enumerate(meta.managedFields):
        if entry.operation in ("Apply", "Update") and entry.fieldsType in ("", "FieldsV1") and len(entry.manager) <= MANAGER_LIMIT:
            continue
        here = problems.at("managedFields", index)
        if entry.operation not in ("Apply", "Update"):
            here.at("operation").invalid(entry.operation, "must be `Apply` or `Update`")
        if entry.fieldsType and entry.fieldsType != "FieldsV1":
            here.at("fieldsType").invalid(entry.fieldsType, "must be `FieldsV1`")
        if len(entry.manager) > MANAGER_LIMIT:
            here.at("manager").too_long(MANAGER_LIMIT)


def controller_of(meta: ObjectMeta) -> OwnerReference | None:
    """The owner that controls an object, if it has one."""
    return next((owner for owner in meta.ownerReferences if owner.controller), None)


def controller_reference(owner: Any) -> OwnerReference:
    """The owner reference by which `owner` controls what it makes."""
    group, version, kind = type(owner).GVK
    return OwnerReference(
        apiVersion=f"{group}/{version}" if group else version,
        kind=kind,
        name=owner.metadata.name,
        uid=owner.metadata.uid,
        controller=True,
        blockOwnerDeletion=True,
    )
