"""A request as AdmissionReview shows it to webhooks, and CEL to expressions: everything but the objects. Pure.

Upstream: webhook/request/admissionreview.go, and CreateAdmissionRequest in admission/plugin/cel.
"""

from __future__ import annotations

from typing import Any

from pilothouse.apiserver.admission.matching.versions import Kind, Version, kind_of
from pilothouse.apiserver.admission.plugin import CREATE, DELETE, UPDATE, AdmissionRequest
from pilothouse.apiserver.auth.user import User
from pilothouse.client.call import Options
from pilothouse.machinery.resource import Resource

OPTIONS = {CREATE: "CreateOptions", UPDATE: "UpdateOptions", DELETE: "DeleteOptions"}


def request_json(request: AdmissionRequest, version: Version) -> dict[str, Any]:
    """The AdmissionRequest without uid and objects, in `version`; empty names are left out."""
    seen: dict[str, Any] = {"kind": _kind(version.kind), "resource": _resource(version.resource)}
    if request.subresource:
        seen["subResource"] = request.subresource
    seen |= {"requestKind": _kind(kind_of(request.exchanged)), "requestResource": _resource(request.served)}
    if request.subresource:
        seen["requestSubResource"] = request.subresource
    if request.name:
        seen["name"] = request.name
    if request.namespace:
        seen["namespace"] = request.namespace
    seen |= {"operation": request.operation, "userInfo": user_json(request.user)}
    return {**seen, "dryRun": request.dry_run, "options": options_json(request.operation, request.options)}


def _kind(kind: Kind) -> dict[str, str]:
    group, version, name = kind
    return {"group": group, "version": version, "kind": name}


def _resource(resource: Resource[Any]) -> dict[str, str]:
    return {"group": resource.group, "version": resource.version, "resource": resource.plural}


def user_json(user: User) -> dict[str, Any]:
    """The UserInfo of a request's user."""
    fields: dict[str, Any] = {
        "username": user.name,
        "uid": user.uid,
        "groups": list(user.groups),
        "extra": {name: list(values) for name, values in user.extra.items()},
    }
    return {name: value for name, value in fields.items() if value}


def options_json(operation: str, options: Options) -> dict[str, Any] | None:
    """The options of a request as the API's kind for its operation; None of a connection."""
    kind = OPTIONS.get(operation)
    if kind is None:
        return None
    dry_run = ["All"] if options.dry_run else None
    if kind == "DeleteOptions":
        preconditions = {"uid": options.precondition_uid, "resourceVersion": options.precondition_resource_version}
        fields: dict[str, Any] = {
            "gracePeriodSeconds": options.grace_period_seconds,
            "preconditions": {name: value for name, value in preconditions.items() if value is not None} or None,
            "orphanDependents": options.orphan_dependents,
            "propagationPolicy": options.propagation_policy or None,
            "dryRun": dry_run,
        }
    else:
        manager = None if options.manager_is_agent else options.field_manager or None
        said = {"fieldManager": manager, "fieldValidation": options.field_validation or None}
        fields = {"dryRun": dry_run, **said}
    return {"kind": kind, "apiVersion": "meta.k8s.io/v1", **{name: value for name, value in fields.items() if value is not None}}
