"""Query parameters (and a DELETE's body) as `Options`, with upstream's errors for bad ones.

A number that cannot be read is a 400 in the words of Go's strconv; a value that is not allowed a 422 of the options' kind.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pilothouse.apiserver.http.request import Request
from pilothouse.apiserver.registry.listoptions import check_list, check_watch, with_watch_defaults
from pilothouse.client.call import APPLY_PATCH, Options
from pilothouse.kit.remember import remember
from pilothouse.machinery import errors, strconv
from pilothouse.machinery.meta_v1 import DeleteOptions, Preconditions
from pilothouse.machinery.problems import Problems

META_GROUP = "meta.k8s.io"
FIELD_MANAGER_LIMIT_BYTES = 128
FIELD_VALIDATIONS = ("Ignore", "Strict", "Warn")
PROPAGATION_POLICIES = ("Foreground", "Background", "Orphan", "nil")
AGENTS_REMEMBERED = 256
UNKNOWN_MANAGER = "unknown"
"""The field manager of a request that does not say who sends it."""
NO_OPTIONS = Options()
"""Options of a request without a query: shared, since nobody changes the options of a call."""


def for_get(request: Request) -> Options:
    """GetOptions: nothing but a resourceVersion; a 400 for who wants an export, which there was once."""
    if not request.query_string:
        return NO_OPTIONS
    if flag(request, "export"):
        raise errors.bad_request("the export parameter, deprecated since v1.14, is no longer supported")
    return Options(resource_version=request.parameter("resourceVersion"))


def for_list(request: Request) -> Options:
    """ListOptions, for list, watch and deletecollection. What of them goes together the registry says."""
    if not request.query_string:
        return NO_OPTIONS
    timeout_seconds = integer(request, "timeoutSeconds")  # of two that cannot be read, upstream tells of this
    return Options(
        label_selector=request.parameter("labelSelector"),
        field_selector=request.parameter("fieldSelector"),
        resource_version=request.parameter("resourceVersion"),
        resource_version_match=request.parameter("resourceVersionMatch"),
        limit=integer(request, "limit") or 0,
        continue_=request.parameter("continue"),
        timeout_seconds=timeout_seconds,
        allow_watch_bookmarks=flag(request, "allowWatchBookmarks") or False,
        send_initial_events=flag(request, "sendInitialEvents"),
    )


def for_write(request: Request, kind: str, problems: Problems | None = None) -> Options:
    """CreateOptions and UpdateOptions: `kind` names them in errors, which come after `problems`."""
    agent = request.header("User-Agent")
    if not request.query_string:
        return _of_agent(agent)
    manager = request.parameter("fieldManager")
    options = Options(
        dry_run=_dry_run(request.query.get("dryRun", [])),
        field_manager=manager or _of_agent(agent).field_manager,
        manager_is_agent=not manager,
        field_validation=request.parameter("fieldValidation"),
    )
    problems = problems or Problems()
    _check_write(request, options, problems)
    _refuse(kind, problems)
    return options


@remember(AGENTS_REMEMBERED)
def _of_agent(agent: str) -> Options:
    """The options of a write without a query: its manager is the client's own name, what the User-Agent says before the slash."""
    name = "".join(filter(str.isprintable, agent.partition("/")[0])).encode()
    manager = name[:FIELD_MANAGER_LIMIT_BYTES].decode(errors="ignore") or UNKNOWN_MANAGER
    return Options(field_manager=manager, manager_is_agent=True)


def for_patch(request: Request, patch_type: str) -> Options:
    """PatchOptions; `force` and a required field manager belong to server-side apply alone."""
    force = flag(request, "force")
    problems = Problems()
    if patch_type == APPLY_PATCH:
        if not request.parameter("fieldManager"):
            problems.at("fieldManager").required("is required for apply patch")
    elif force is not None:
        problems.at("force").forbidden("may not be specified for non-apply patch")
    options = for_write(request, "PatchOptions", problems)
    _refuse("PatchOptions", problems)
    return replace(options, force=True) if force else options


def for_delete(request: Request, body: DeleteOptions | None) -> Options:
    """DeleteOptions: from the body when there is one, from the query otherwise (as upstream, never mixed)."""
    if body is None:
        body = DeleteOptions(
            gracePeriodSeconds=integer(request, "gracePeriodSeconds"),
            propagationPolicy=request.query.get("propagationPolicy", [None])[0],
            orphanDependents=flag(request, "orphanDependents"),
            dryRun=request.query.get("dryRun", []),
            ignoreStoreReadErrorWithClusterBreakingPotential=flag(request, "ignoreStoreReadErrorWithClusterBreakingPotential"),
            preconditions=_preconditions(request),
        )
    problems = Problems()
    _check_delete(body, problems)
    _refuse("DeleteOptions", problems)
    preconditions = body.preconditions
    return Options(
        dry_run=bool(body.dryRun),
        grace_period_seconds=body.gracePeriodSeconds,
        propagation_policy=body.propagationPolicy or "",
        orphan_dependents=body.orphanDependents,
        precondition_uid=preconditions.uid if preconditions else None,
        precondition_resource_version=preconditions.resourceVersion if preconditions else None,
        ignore_store_read_error=bool(body.ignoreStoreReadErrorWithClusterBreakingPotential),
    )


def _preconditions(request: Request) -> Preconditions | None:
    """The preconditions in a query: an empty one is none."""
    uid, resource_version = request.parameter("uid") or None, request.parameter("resourceVersion") or None
    return Preconditions(uid=uid, resourceVersion=resource_version) if uid or resource_version else None


def for_deletecollection(request: Request) -> Options:
    """ListOptions of a deletecollection, validated as for a list, or for a watch if the query says so."""
    listed = for_list(request)
    if flag(request, "watch"):
        check_watch(with_watch_defaults(listed))
    else:
        check_list(listed)
    return listed


def chosen_by(options: Options, listed: Options) -> Options:
    """DeleteOptions together with the ListOptions that say of which objects."""
    for name in ("label_selector", "field_selector", "resource_version", "resource_version_match", "limit", "continue_"):
        setattr(options, name, getattr(listed, name))
    return options


def integer(request: Request, name: str) -> int | None:
    """A number of the query; StatusError 400 when it is none, nothing at all included."""
    values = request.query.get(name)
    if not values:
        return None
    try:
        return strconv.parse_int(values[0])
    except ValueError as problem:
        raise errors.bad_request(str(problem)) from problem


def flag(request: Request, name: str) -> bool | None:
    """A boolean of the query: anything but `false` and `0` counts as true, also an empty value (upstream's rule)."""
    values = request.query.get(name) if request.query_string else None
    if not values:
        return None
    return values[0].casefold() not in ("false", "0")


def _dry_run(values: list[str]) -> bool:
    return bool(values)


def _check_dry_run(values: list[str], problems: Problems) -> None:
    if any(value != "All" for value in values):
        problems.at("dryRun").not_supported(values, ("All",))


def _check_write(request: Request, options: Options, problems: Problems) -> None:
    manager = options.field_manager
    if len(manager.encode()) > FIELD_MANAGER_LIMIT_BYTES:
        problems.at("fieldManager").too_long(FIELD_MANAGER_LIMIT_BYTES)
    for position, character in enumerate(manager):
        if not character.isprintable():
            place = len(manager[:position].encode())
            problems.at("fieldManager").invalid(manager, f"invalid character U+{ord(character):04X} (at position {place})")
    _check_dry_run(request.query.get("dryRun", []), problems)
    if options.field_validation and options.field_validation not in FIELD_VALIDATIONS:
        problems.at("fieldValidation").not_supported(options.field_validation, ("", *FIELD_VALIDATIONS))


def _check_delete(body: DeleteOptions, problems: Problems) -> None:
    at_policy = problems.at("propagationPolicy")
    policy: Any = body.propagationPolicy
    if policy is not None and body.orphanDependents is not None:
        at_policy.invalid(policy, "orphanDependents and deletionPropagation cannot be both set")
    if policy is not None and policy not in PROPAGATION_POLICIES[:3]:
        at_policy.not_supported(policy, PROPAGATION_POLICIES)
    _check_dry_run(body.dryRun, problems)
    if not body.ignoreStoreReadErrorWithClusterBreakingPotential:
        return
    for name in ("propagationPolicy", "orphanDependents", "gracePeriodSeconds", "preconditions"):
        if getattr(body, name) is not None:
            problems.at("ignoreStoreReadErrorWithClusterBreakingPotential").invalid(True, f"cannot be set together with .{name}")


def _refuse(kind: str, problems: Problems) -> None:
    if problems:
        raise errors.invalid(kind, META_GROUP, "", problems.found)
