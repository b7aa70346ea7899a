"""Rules for objects of every kind: system fields, immutable metadata, generation (upstream's rest.BeforeCreate and BeforeUpdate).

A kind's own rules are the hooks of its `Resource`; they run here, after these.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pilothouse.api.disabled import drop_disabled
from pilothouse.kit.clock import Clock
from pilothouse.kit.entropy import Entropy
from pilothouse.machinery import access, metadata, time
from pilothouse.machinery.errors import bad_request, invalid
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import Resource

AFTER_ADMISSION = " after mutating admission happens"
MAXIMUM_GENERATED_BASE = 58
"""Of a name made from generateName, what comes before the five characters of the suffix."""


def has_status(resource: Resource[Any]) -> bool:
    """Whether the resource has a status subresource."""
    return "status" in resource.subresources


def wipe_system_fields(obj: Any) -> None:
    """Reset system fields that a client set on a new object: uid, times, deletion."""
    meta = obj.metadata
    meta.creationTimestamp = ""
    meta.uid = ""
    meta.deletionTimestamp = ""
    meta.deletionGracePeriodSeconds = None
    meta.selfLink = ""


def fill_system_fields(obj: Any, clock: Clock, entropy: Entropy) -> None:
    """Set uid and creationTimestamp of a new object, after admission."""
    wipe_system_fields(obj)
    obj.metadata.creationTimestamp = time.now_text(clock)
    obj.metadata.uid = entropy.uid()


def single_owners(obj: Any, warnings: list[str], when: str = "") -> None:
    """Drop duplicate owner references with a warning, as upstream does. `when` says when they were duplicated."""
    owners = obj.metadata.ownerReferences
    if len(owners) < 2:
        return
    seen = {owner.uid: owner for owner in reversed(owners)}
    if len(seen) == len(owners):
        return
    doubled = [uid for uid in seen if sum(owner.uid == uid for owner in owners) > 1]
    warnings.append(
        f".metadata.ownerReferences contains duplicate entries{when}; API server dedups owner references in 1.20+, and may reject such "
        f"requests as early as 1.24; please fix your requests; duplicate UID(s) observed: {', '.join(doubled)}"
    )
    obj.metadata.ownerReferences = [owner for owner in owners if seen[owner.uid] is owner]


def generate_name(base: str, entropy: Entropy) -> str:
    """A name from `generateName`: the base, cut to fit, and five random characters (names.SimpleNameGenerator)."""
    return base[:MAXIMUM_GENERATED_BASE] + entropy.suffix()


def prepare_create(resource: Resource[Any], obj: Any) -> None:
    """Set what the server sets on a new object: generation, empty status, fields of disabled features; then the kind's own hooks.

    As rest.BeforeCreate.
    """
    meta = obj.metadata
    if resource.strategy.generation is not None and resource.strategy.first_generation is not None:
        meta.generation = resource.strategy.first_generation
    if has_status(resource) and not resource.strategy.status_at_creation:
        access.clear_status(obj)
    drop_disabled(obj)
    for hook in resource.create_preparers:
        hook(obj)


def validate_create(
    resource: Resource[Any], obj: Any, served: Resource[Any] | None = None, namespace_labels: Mapping[str, str] | None = None
) -> None:
    """Validate a new object. `served` is the version in which the client sent it."""
    problems = Problems()
    if resource.strategy.validate_by_namespace is not None:
        resource.strategy.validate_by_namespace(None, obj, namespace_labels, problems)
    any_finalizer = (served or resource).strategy.any_finalizer
    metadata.validate_metadata(obj.metadata, resource.namespaced, resource.name_rule, problems.at("metadata"), any_finalizer=any_finalizer)
    for hook in (*resource.validators, *resource.create_validators):
        hook(obj, problems)
    if served is not None and served is not resource:
        for hook in served.validators:
            hook(obj, problems)
    raise_problems(resource, obj.metadata.name, problems)


def prepare_update(resource: Resource[Any], old: Any, new: Any) -> Any:
    """Set what an update keeps: status, generation and system fields.

    Gives `new` as it was before fields of features that are off were dropped, or None where none were.
    """
    carry_metadata(old, new)
    if has_status(resource):
        access.set_field(new, "status", access.status(old))
    moves = resource.strategy.generation
    counted = moves is not None and resource.strategy.counts_disabled and moves(old, new)
    undropped = drop_disabled(new, old)
    for hook in resource.update_preparers:
        hook(old, new)
    if counted or (moves is not None and moves(old, new)):
        new.metadata.generation = old.metadata.generation + 1
    return undropped


def carry_metadata(old: Any, new: Any) -> None:
    """Keep metadata that an update cannot change, as upstream's BeforeUpdate does."""
    before, after = old.metadata, new.metadata
    after.generation = before.generation
    after.uid = after.uid or before.uid
    after.creationTimestamp = before.creationTimestamp
    after.deletionTimestamp = before.deletionTimestamp or after.deletionTimestamp
    if after.deletionGracePeriodSeconds is None:
        after.deletionGracePeriodSeconds = before.deletionGracePeriodSeconds
    after.managedFields = before.managedFields


def validate_by_namespace(resource: Resource[Any], old: Any, new: Any, namespace_labels: Mapping[str, str] | None) -> None:
    """Validate a write of `status` by the labels of its namespace. Raises a 422."""
    problems = Problems()
    if resource.strategy.validate_by_namespace is not None:
        resource.strategy.validate_by_namespace(old, new, namespace_labels, problems)
    raise_problems(resource, new.metadata.name, problems)


def validate_update(resource: Resource[Any], old: Any, new: Any, served: Resource[Any] | None = None) -> None:
    """Validate an update. `served` is the client's version, which may have more rules than the storage version."""
    problems = Problems()
    _validate_metadata_update(served or resource, old, new, problems)
    own = served.update_validators if served is not None and served is not resource else ()
    if resource.strategy.compares_first:
        _compare(resource, old, new, problems)
    if resource.strategy.validates_generate_name:
        metadata.validate_generate_name(new.metadata, resource.name_rule, problems.at("metadata"))
    for validate in resource.validators:
        validate(new, problems)
    if not resource.strategy.compares_first:
        _compare(resource, old, new, problems)
    for compare in own:
        compare(old, new, problems)
    raise_problems(resource, new.metadata.name, problems, repeated=resource.is_hub)


def _validate_metadata_update(resource: Resource[Any], old: Any, new: Any, problems: Problems) -> None:
    here = problems.at("metadata")
    if resource.is_hub:
        metadata.validate_custom_update(new.metadata, old.metadata, here)
    else:
        metadata.validate_metadata_update(new.metadata, old.metadata, here, any_finalizer=resource.strategy.any_finalizer)


def _compare(resource: Resource[Any], old: Any, new: Any, problems: Problems) -> None:
    for compare in resource.update_validators:
        compare(old, new, problems)


def validate_status(resource: Resource[Any], old: Any, new: Any) -> None:
    """Validate a write of `status`. Raises a 422 with all problems."""
    problems = Problems()
    _validate_metadata_update(resource, old, new, problems)
    for hook in resource.status_validators:
        hook(old, new, problems)
    raise_problems(resource, new.metadata.name, problems, repeated=resource.is_hub)


def warnings_of(resource: Resource[Any], new: Any, old: Any | None) -> Iterator[str]:
    """The kind's warnings about a valid object."""
    for hook in resource.warners:
        yield from hook(new, old)


def raise_problems(resource: Resource[Any], name: str, problems: Problems, *, repeated: bool = False) -> None:
    """Raise a 422 with every problem once; `repeated`: its causes as often as they occurred."""
    if problems.found:
        seen: dict[Any, None] = dict.fromkeys(problems.found)
        raise invalid(resource.kind, resource.group, name, problems.found if repeated else list(seen))


def match_namespace(obj: Any, namespace: str) -> None:
    """Set or check the object's namespace against that of the path."""
    meta = obj.metadata
    if meta.namespace and namespace and meta.namespace != namespace:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    meta.namespace = namespace


def match_name(obj: Any, name: str) -> None:
    """Raise StatusError when the object's name differs from that of the path."""
    if not obj.metadata.name:
        raise bad_request(f"the name of the object ({name} based on URL) was undeterminable: name must be provided")
    if obj.metadata.name != name:
        raise bad_request(f"the name of the object ({obj.metadata.name}) does not match the name on the URL ({name})")
