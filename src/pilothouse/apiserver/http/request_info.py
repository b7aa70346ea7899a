"""RequestInfo: what a request is about, from its method and path, by upstream's rules.

- `/api/v1/...` and `/apis/<group>/<version>/...` are resource requests; everything else is a plain path.
- `/namespaces/<ns>/<resource>[/<name>[/<subresource>]]`, with the quirk that a namespace's own `status` and `finalize` are subresources.
- A GET without a name is a list, or a watch when `watch` is asked for; a DELETE without a name is a deletecollection.
- The paths are remembered (a bounded cache): clients ask for the same ones again and again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import unquote

from pilothouse.apiserver.auth.authorizer import Attributes
from pilothouse.kit.remember import remember

PATHS_REMEMBERED = 8192
LONGEST_PATH_REMEMBERED = 512
NAMED_SEGMENTS = 4
"""The segments of a path that are never a proxied path's own: `api/v1/nodes/name`; one more below `apis`, two more in a namespace."""
NAMESPACE_SUBRESOURCES = frozenset(("status", "finalize"))
VERBS = {"POST": "create", "GET": "get", "HEAD": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
METRIC_VERBS = {"update": "PUT", "create": "POST", "deletecollection": "DELETE"}
COLLECTION_VERBS = {"get": "list", "delete": "deletecollection"}


@dataclass(frozen=True, slots=True)
class RequestInfo:
    """Attributes of a request from method and path. `subpath` follows a subresource (`proxy/...`)."""

    path: str = ""
    verb: str = ""
    is_resource: bool = False
    group: str = ""
    version: str = ""
    namespace: str = ""
    plural: str = ""
    name: str = ""
    subresource: str = ""
    subpath: str = ""
    labels: tuple[str, ...] = ()
    """The labels of upstream's request metrics: made here, because infos are remembered."""
    is_namespace: bool = False
    """The path is that of a namespace itself: its name stands as the namespace, too. A custom kind may be called so in its group."""
    is_old_watch: bool = False
    """The path begins with `watch/`."""

    @property
    def group_version(self) -> str:
        """`apiVersion` of the request: `v1`, `apps/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def object_namespace(self) -> str:
        """The namespace that the object lies in: none for a namespace itself, though its path names one."""
        return "" if self.is_namespace else self.namespace

    @property
    def scope(self) -> str:
        """The `scope` label of upstream's metrics."""
        if not self.is_resource:
            return ""
        if self.name or self.verb == "create":
            return "resource"
        return "namespace" if self.namespace else "cluster"


NO_INFO = RequestInfo(labels=("", "", "", "", "", ""))


@remember(PATHS_REMEMBERED, LONGEST_PATH_REMEMBERED)
def parse(method: str, path: str, watching: bool) -> RequestInfo:
    """The info of one request; `watching` says whether the query asks for a watch."""
    info = _parsed(method, path, watching)
    return replace(info, labels=labels_of(info))


def labels_of(info: RequestInfo) -> tuple[str, ...]:
    """Labels of the request in the metrics: verb, group, version, resource, subresource, scope."""
    if not info.is_resource:
        return (info.verb.upper(), "", "", "", "", "")
    verb = METRIC_VERBS.get(info.verb) or info.verb.upper()
    return (verb, info.group, info.version, info.plural, info.subresource, info.scope)


def _parsed(method: str, path: str, watching: bool) -> RequestInfo:
    decoded = unquote(path)
    raw = decoded.split("/")  # an escaped slash separates, too: upstream's routes see the decoded path
    named = NAMED_SEGMENTS + (raw[1] == "apis") + 2 * ("namespaces" in raw[3:5])
    if "" in raw[1 : named + 1] and any(raw[raw.index("", 1) :]):  # a segment of nothing, but at the end, names nothing
        return RequestInfo(path=decoded, verb=method.lower())
    parts = [part for part in raw if part]
    verb = VERBS.get(method, "")
    if len(parts) >= 3 and parts[0] == "api":
        group, rest = "", parts[1:]
    elif len(parts) >= 4 and parts[0] == "apis":
        group, rest = parts[1], parts[2:]
    else:
        return RequestInfo(path=decoded, verb=method.lower())
    version, rest = rest[0], rest[1:]
    by_path = rest[0] == "watch" and len(rest) > 1  # the old form of a watch
    rest = rest[1:] if by_path else rest
    namespace, of_resource = _namespace(rest)
    is_namespace, rest = bool(namespace) and of_resource is rest, of_resource
    plural, name, subresource, subpath = _tail(rest, path)
    if not name and verb in COLLECTION_VERBS:
        verb = COLLECTION_VERBS[verb]
    if (watching and verb == "list") or (by_path and verb in ("list", "get")):  # who names an object gets it, whatever the query
        verb = "watch"
    return RequestInfo(decoded, verb, True, group, version, namespace, plural, name, subresource, subpath, (), is_namespace, by_path)


def _namespace(rest: list[str]) -> tuple[str, list[str]]:
    """The namespace of the request, and the parts that name its resource."""
    if rest[0] != "namespaces" or len(rest) == 1:
        return "", rest
    namespace = rest[1]
    if len(rest) > 2 and rest[2] not in NAMESPACE_SUBRESOURCES:
        return namespace, rest[2:]
    return namespace, rest


def _tail(rest: list[str], path: str) -> tuple[str, str, str, str]:
    """Plural, name, subresource and what follows it."""
    plural = rest[0]
    name = rest[1] if len(rest) > 1 else ""
    subresource = rest[2] if len(rest) > 2 else ""
    subpath = "/".join(rest[3:])
    if subpath and path.endswith("/"):
        subpath += "/"
    return plural, name, subresource, subpath


def attributes_of(info: RequestInfo, name: str) -> Attributes:
    """Attributes of a request for authorizers and auditors."""
    if not info.is_resource:
        return Attributes(info.verb, path=info.path)
    return Attributes(info.verb, info.group, info.version, info.plural, info.subresource, info.namespace, name)
