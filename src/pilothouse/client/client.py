"""The client that every component speaks through: typed verbs over a `Transport`.

In process (`apiserver` gives the transport) objects are shared, not copied: `machinery.codec.clone` before changing one.
Over HTTP see client/http.py.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, TypeVar

from pilothouse.api import catalogue
from pilothouse.client.call import MERGE_PATCH, Call, ListResult, Options, Transport, WatchEvent
from pilothouse.machinery.catalogue import Catalogue

T = TypeVar("T")
NO_OPTIONS = Options()
"""Of the calls that have none: nobody changes those of a call."""


class Client:
    """Typed access to the API. Every method raises StatusError for an answer other than success."""

    def __init__(self, transport: Transport, served: Catalogue | None = None) -> None:
        """`served` is where kinds are found: by default the server's own in process, the built-in ones elsewhere."""
        self.transport = transport
        self.catalogue: Catalogue = served or getattr(transport, "catalogue", None) or catalogue.known()

    async def get(self, kind: type[T], name: str, namespace: str = "", *, subresource: str = "", options: Options | None = None) -> T:
        """Read one object. StatusError, reason NotFound, when there is none."""
        obj: T = await self._call("get", kind, namespace, name, subresource, options=options)
        return obj

    async def list(self, kind: type[T], namespace: str = "", *, options: Options | None = None) -> ListResult[T]:
        """List objects; namespace "" means all. `options` has selectors, limit and continue."""
        result: ListResult[T] = await self._call("list", kind, namespace, options=options)
        return result

    def watch(self, kind: type[T], namespace: str = "", *, options: Options | None = None) -> AsyncIterator[WatchEvent[T]]:
        """Events after `options.resource_version`; StatusError 410 when that is too old."""
        return self.transport.watch(Call("watch", self.catalogue.of(kind), namespace, options=options or Options()))

    async def create(self, obj: T, *, options: Options | None = None) -> T:
        """Create `obj` in the namespace of its metadata."""
        made: T = await self._call("create", type(obj), namespace_of(obj), body=obj, options=options)
        return made

    async def create_subresource(
        self, kind: type[Any], name: str, namespace: str, subresource: str, body: Any, *, options: Options | None = None
    ) -> Any:
        """POST to a subresource: `binding`, `eviction`, `token`."""
        return await self._call("create", kind, namespace, name, subresource, body=body, options=options)

    async def update(self, obj: T, *, subresource: str = "", options: Options | None = None) -> T:
        """Replace; a 409 Conflict StatusError when `metadata.resourceVersion` is set and no longer the newest."""
        name = obj.metadata.name  # type: ignore[attr-defined]
        made: T = await self._call("update", type(obj), namespace_of(obj), name, subresource, body=obj, options=options)
        return made

    async def patch(
        self,
        kind: type[T],
        name: str,
        namespace: str,
        patch: bytes,
        *,
        patch_type: str = MERGE_PATCH,
        subresource: str = "",
        options: Options | None = None,
    ) -> T:
        """Patch an object and return the result; `patch_type` is the content type of `patch`."""
        call = Call("patch", self.catalogue.of(kind), namespace, name, subresource, patch, patch_type, options or Options())
        made: T = await self.transport.call(call)
        return made

    async def delete(self, kind: type[Any], name: str, namespace: str = "", *, options: Options | None = None) -> Any:
        """The object as it was or is now (when it ends gracefully), or a Status."""
        return await self._call("delete", kind, namespace, name, options=options)

    async def delete_collection(self, kind: type[T], namespace: str = "", *, options: Options | None = None) -> ListResult[T]:
        """Delete all objects that `options` select."""
        gone: ListResult[T] = await self._call("deletecollection", kind, namespace, options=options)
        return gone

    async def _call(
        self,
        verb: str,
        kind: type[Any],
        namespace: str,
        name: str = "",
        subresource: str = "",
        *,
        body: Any = None,
        options: Options | None = None,
    ) -> Any:
        call = Call(verb, self.catalogue.of(kind), namespace, name, subresource, body, "", options or NO_OPTIONS)
        return await self.transport.call(call)


def namespace_of(obj: Any) -> str:
    """The object's namespace; empty for cluster-wide kinds."""
    namespace: str = obj.metadata.namespace
    return namespace
