"""Which options of a list and of a watch go together: upstream's ValidateListOptions, as pure checks."""

from __future__ import annotations

from dataclasses import replace

from pilothouse.client.call import Options
from pilothouse.machinery.errors import StatusError, invalid
from pilothouse.machinery.problems import Problems

EXACT, NOT_OLDER_THAN = "Exact", "NotOlderThan"


def check_list(options: Options) -> None:
    """Raise a 422 with all problems of list options."""
    match, problems = options.resource_version_match, Problems()
    at = problems.at("resourceVersionMatch")
    if match:
        if not options.resource_version:
            at.forbidden("resourceVersionMatch is forbidden unless resourceVersion is provided")
        if options.continue_:
            at.forbidden("resourceVersionMatch is forbidden when continue is provided")
        if match not in (EXACT, NOT_OLDER_THAN):
            at.not_supported(match, (EXACT, NOT_OLDER_THAN, ""))
        if match == EXACT and options.resource_version == "0":
            at.forbidden('resourceVersionMatch "exact" is forbidden for resourceVersion "0"')
    if options.send_initial_events is not None:
        problems.at("sendInitialEvents").forbidden("sendInitialEvents is forbidden for list")
    if problems:
        raise _refused(problems)


def with_watch_defaults(options: Options) -> Options:
    """Options of a watch with defaults: without a resourceVersion, sendInitialEvents is assumed (KEP-3157)."""
    if options.send_initial_events is None and not options.resource_version_match and options.resource_version in ("", "0"):
        return replace(options, send_initial_events=True, resource_version_match=NOT_OLDER_THAN)
    return options


def check_watch(options: Options) -> None:
    """Raise a 422 with all problems of watch options that have their defaults."""
    match, problems = options.resource_version_match, Problems()
    at = problems.at("resourceVersionMatch")
    if options.send_initial_events is not None and match != NOT_OLDER_THAN:
        at.forbidden(f"sendInitialEvents requires setting resourceVersionMatch to {NOT_OLDER_THAN}")
    if match:
        if options.send_initial_events is None:
            at.forbidden("resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided")
        if match != NOT_OLDER_THAN:
            at.not_supported(match, (NOT_OLDER_THAN,))
        if options.continue_:
            at.forbidden("resourceVersionMatch is forbidden when continue is provided")
    if problems:
        raise _refused(problems)


def _refused(problems: Problems) -> StatusError:
    return invalid("ListOptions", "meta.k8s.io", "", problems.found)
