"""Which endpoint answers: resources by verb, everything else by its path.

A kind needs no route of its own: what there is follows from the catalogue.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from pilothouse.api.core.connectoptions import ConnectOptions
from pilothouse.apiserver.http.connect import Connect
from pilothouse.apiserver.http.decoding import media_type_of
from pilothouse.apiserver.http.encoding import form_of
from pilothouse.apiserver.http.negotiation import check_route
from pilothouse.apiserver.http.refusals import bad_name, bad_namespace, method_not_allowed, no_such_page, no_text
from pilothouse.apiserver.http.request import Handler, Request, Response
from pilothouse.apiserver.openapi.columns import descriptions
from pilothouse.apiserver.paths.discovery import SLASHES_OF_A_VERSION
from pilothouse.apiserver.verbs.create import create
from pilothouse.apiserver.verbs.delete import delete
from pilothouse.apiserver.verbs.deletecollection import deletecollection
from pilothouse.apiserver.verbs.get import get
from pilothouse.apiserver.verbs.list import list_
from pilothouse.apiserver.verbs.patch import PATCH_TYPES, patch
from pilothouse.apiserver.verbs.update import update
from pilothouse.apiserver.verbs.watch import watch
from pilothouse.client.call import APPLY_PATCH, JSON_PATCH, MERGE_PATCH
from pilothouse.machinery import errors
from pilothouse.machinery.catalogue import Catalogue
from pilothouse.machinery.errors import method_not_supported, no_such_resource
from pilothouse.machinery.meta_v1 import StatusDetails
from pilothouse.machinery.resource import Resource

Endpoint = Callable[[Request, Resource[Any]], Awaitable[Response]]

ENDPOINTS: Mapping[str, Endpoint] = {
    "get": get,
    "list": list_,
    "watch": watch,
    "create": create,
    "update": update,
    "patch": patch,
    "delete": delete,
    "deletecollection": deletecollection,
}
DEPRECATED = {
    ("", "componentstatuses"): "v1 ComponentStatus is deprecated in v1.19+",
    ("", "endpoints"): "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
}
"""Built-in resources that upstream warns of at every use."""
DEPRECATED_ANNOTATION = "k8s.io/deprecated"
BELOW_APIS = ("/api/", "/version/")
"""Below these a path that leads nowhere is answered with a Status, as below a group that is served; elsewhere with a line of text."""
ANY_METHOD = ("/healthz", "/livez", "/readyz", "/metrics", "/openapi/")
"""Below these, at `/`, `/apis` and a group's own path any method is a GET; elsewhere GET alone is served, not even HEAD."""
CUSTOM_PATCH_TYPES = (JSON_PATCH, MERGE_PATCH, APPLY_PATCH)
UNKNOWN_FORMAT = "the body of the request was in an unknown format - accepted media types include: "
ACROSS_NAMESPACES = ("list", "watch")
WITHOUT_NAME = ("list", "watch", "create", "deletecollection")


def _warn(request: Request, resource: Resource[Any]) -> None:
    """Tell who uses a deprecated resource: not who asks in a form that is not served."""
    told = resource.deprecation or DEPRECATED.get((resource.group, resource.plural))
    if told:
        request.warnings.append(told)
        request.annotate(DEPRECATED_ANNOTATION, "true")


class Routes:
    """The end of the chain. `paths` are the plain paths, by exact path or by prefix (with a trailing `*`); `discovery` gives the
    handler of a discovery document by its path; `extension` that of a group and version that an extension API server serves."""

    def __init__(
        self,
        catalogue: Catalogue,
        paths: Mapping[str, Handler],
        discovery: Callable[[str], Handler | None],
        connects: Mapping[tuple[str, str], Connect],
        extension: Callable[[str, str], Handler | None] = lambda group, version: None,
    ) -> None:
        self._catalogue = catalogue
        self._exact = {path: handler for path, handler in paths.items() if not path.endswith("*")}
        self._prefixes = [(path[:-1], handler) for path, handler in paths.items() if path.endswith("*")]
        self._discovery = discovery
        self._connects = connects
        self._extension = extension

    async def __call__(self, request: Request) -> Response:
        info = request.info
        if not info.is_resource:
            return await self._plain(request)
        extension = self._extension(info.group, info.version)
        if extension is not None:
            return await extension(request)
        resource = self._catalogue.by_plural(info.group, info.version, info.plural)
        if resource is None and info.group and not self._has_built_in(info.group):
            return no_such_page()
        if resource is None or (info.object_namespace and not resource.namespaced):
            raise no_such_resource()
        if info.name in (".", "..") or "/" in info.name or "%" in info.name:
            _warn(request, resource)
            raise bad_name(info.name)
        if info.namespace in (".", "..") and resource.namespaced:
            raise bad_namespace(resource, info.namespace, info.name, is_new=info.verb == "create" and not info.subresource)
        if "as=Table" in request.http.headers.get("Accept", ""):
            request.column_descriptions = await descriptions(resource)
        if resource.is_hub:
            _warn(request, resource)
            return await self._custom(request, resource)
        if info.subresource:
            return await self._subresource(request, resource)
        if "\ufffd" in info.name and info.verb in ("get", "delete"):
            raise no_text(resource, request.path, info.name)
        request.is_served = True
        if info.verb == "watch" and "watch" not in resource.verbs and "/watch/" in info.path:
            raise no_such_resource()
        endpoint = ENDPOINTS.get(info.verb)
        misplaced = info.verb != "watch" and bool(info.name) == (info.verb in WITHOUT_NAME)
        if resource.namespaced and not info.namespace and not info.name and "list" not in resource.verbs:
            raise no_such_resource()  # nothing is served there
        is_served = info.verb in resource.verbs or (info.verb == "watch" and "list" in resource.verbs)
        if request.method == "HEAD" or endpoint is None or not is_served or misplaced:
            raise method_not_allowed()
        if resource.namespaced and not info.namespace:
            if info.name:
                raise no_such_resource()
            if info.verb not in ACROSS_NAMESPACES:
                raise method_not_allowed()
        check_forms(request)
        _warn(request, resource)
        return await endpoint(request, resource)

    async def _custom(self, request: Request, resource: Resource[Any]) -> Response:
        """A custom resource: upstream serves it by no routes, so that what its handlers do not look at is overlooked."""
        info = request.info
        if resource.namespaced and not info.namespace and (info.name or info.verb not in ACROSS_NAMESPACES):
            return no_such_page()
        if info.subresource and info.subresource not in resource.subresources:
            raise errors.not_found(resource.plural, resource.group, info.name)
        request.is_served = True
        verbs = resource.subresources[info.subresource].verbs if info.subresource else resource.verbs
        endpoint = ENDPOINTS.get(info.verb)
        if endpoint is None or info.verb not in verbs:
            raise method_not_supported(resource.plural, resource.group, info.verb)
        if not info.name and info.verb in ("update", "patch"):
            raise errors.bad_request("name must be provided")
        if request.method == "PATCH" and media_type_of(request.header("Content-Type")) not in CUSTOM_PATCH_TYPES:
            raise errors.unsupported_media_type(f"{UNKNOWN_FORMAT}{', '.join(CUSTOM_PATCH_TYPES)}")
        form_of(request, resource)  # who accepts nothing that there is, is told so before all else
        return await endpoint(request, resource)

    async def _subresource(self, request: Request, resource: Resource[Any]) -> Response:
        info = request.info
        declared = resource.subresources.get(info.subresource)
        if declared is None or (resource.namespaced and not info.namespace):
            raise no_such_resource()
        request.is_served = True
        connect = self._connects.get((resource.plural, info.subresource))
        if connect is not None:
            if request.method not in connect.methods:
                raise method_not_allowed()
            if connect.options is None:
                return await connect.handle(request)
            return await connect.handle(request, await _admitted(request, resource, connect.options(request)))
        endpoint = ENDPOINTS.get(info.verb)
        if request.method == "HEAD" or endpoint is None or info.verb not in declared.verbs:
            raise method_not_allowed()
        check_forms(request)
        return await endpoint(request, resource)

    async def _plain(self, request: Request) -> Response:
        path = request.info.path
        if path.startswith("/apis/") and path.rstrip("/").count("/") == SLASHES_OF_A_VERSION:
            extension = self._extension(*path.rstrip("/").split("/")[2:])
            if extension is not None:
                return await extension(request)
        handler = self._exact.get(path) or self._discovery(path) or self._by_prefix(path)
        if handler is None:
            group = path.split("/")[2] if path.startswith("/apis/") else ""
            if path.startswith(BELOW_APIS) or (group and self._has_built_in(group)):
                raise no_such_resource()
            return no_such_page()
        if request.method != "GET" and not takes_any_method(path):
            raise method_not_allowed()
        return await handler(request)

    def _has_built_in(self, group: str) -> bool:
        """Whether a group has other kinds than custom ones: then what is not there is told by its own server."""
        return any(known.group == group and not known.is_hub for known in self._catalogue.resources())

    def _by_prefix(self, path: str) -> Handler | None:
        for prefix, handler in self._prefixes:
            if path.startswith(prefix):
                return handler
        return None


async def _admitted(request: Request, resource: Resource[Any], options: ConnectOptions) -> ConnectOptions:
    """What a connection asks for, after admission has seen it."""
    info = request.info
    if request.parameter("dryRun"):
        raise errors.bad_request("dryRun is not supported")
    place = (resource, info.namespace, info.name, info.subresource)
    return await request.api.registry.connect(*place, options, request.user, request.warnings, request.annotations)


def check_forms(request: Request) -> None:
    """Refuse what upstream's routes refuse for its headers alone: a patch of no type that is known, an answer in no form that there is."""
    if request.method == "PATCH" and media_type_of(request.header("Content-Type")) not in PATCH_TYPES:
        raise errors.failure(415, "UnsupportedMediaType", "415: Unsupported Media Type", StatusDetails())
    info = request.info
    check_route(request.header("Accept"), collection=not info.name and info.verb in ACROSS_NAMESPACES)


def takes_any_method(path: str) -> bool:
    """Whether the path is served for every HTTP method, as upstream serves its indexes."""
    return (
        path.startswith(ANY_METHOD)
        or path in ("/", "/index.html", "/apis", "/apis/")
        or (path.startswith("/apis/") and path.count("/") == 2)
    )
