"""HTTP method, path and query of a call."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from pilothouse.client.call import Call, Options

METHODS = {
    "get": "GET",
    "list": "GET",
    "watch": "GET",
    "create": "POST",
    "update": "PUT",
    "patch": "PATCH",
    "delete": "DELETE",
    "deletecollection": "DELETE",
}
IN_DELETE_OPTIONS = ("delete", "deletecollection")


def path_of(call: Call) -> str:
    """The path: `/api/v1/namespaces/default/pods/web/status`."""
    resource = call.resource
    root = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
    steps = [root]
    if resource.namespaced and call.namespace:
        steps.append(f"namespaces/{quote(call.namespace, safe='')}")
    steps.append(resource.plural)
    if call.name:
        steps.append(quote(call.name, safe=""))
    if call.subresource:
        steps.append(call.subresource)
    return "/".join(steps)


def query_of(call: Call) -> str:
    """The query string without its question mark; what a delete takes in its body is left out."""
    options = call.options
    query: dict[str, str] = {
        "labelSelector": options.label_selector,
        "fieldSelector": options.field_selector,
        "resourceVersion": options.resource_version,
        "resourceVersionMatch": options.resource_version_match,
        "continue": options.continue_,
        "fieldManager": options.field_manager,
        "fieldValidation": options.field_validation,
        "limit": str(options.limit) if options.limit else "",
        "timeoutSeconds": "" if options.timeout_seconds is None else str(int(options.timeout_seconds)),
        "force": "true" if options.force else "",
    }
    if call.verb == "watch":
        query["watch"] = "true"
        query["allowWatchBookmarks"] = "true" if options.allow_watch_bookmarks else ""
        query["sendInitialEvents"] = "" if options.send_initial_events is None else str(options.send_initial_events).lower()
    if options.dry_run and call.verb not in IN_DELETE_OPTIONS:
        query["dryRun"] = "All"
    return urlencode({name: value for name, value in query.items() if value})


def delete_options(options: Options) -> dict[str, object]:
    """The body of a delete."""
    body: dict[str, object] = {"kind": "DeleteOptions", "apiVersion": "v1"}
    if options.grace_period_seconds is not None:
        body["gracePeriodSeconds"] = options.grace_period_seconds
    if options.propagation_policy:
        body["propagationPolicy"] = options.propagation_policy
    if options.orphan_dependents is not None:
        body["orphanDependents"] = options.orphan_dependents
    if options.dry_run:
        body["dryRun"] = ["All"]
    if options.ignore_store_read_error:
        body["ignoreStoreReadErrorWithClusterBreakingPotential"] = True
    preconditions = {"uid": options.precondition_uid, "resourceVersion": options.precondition_resource_version}
    if said := {name: value for name, value in preconditions.items() if value is not None}:
        body["preconditions"] = said
    return body
