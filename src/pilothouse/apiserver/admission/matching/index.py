"""Index of webhooks and policies by resource and operation; a request that none matches costs one lookup.

What rules select follows from operation, resource, subresource and whether a namespace is named: it is found once for each such
combination. The index is made anew when its owners change; it begins anew when the catalogue changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pilothouse.apiserver.admission.matching.criteria import Criteria, is_chosen, selected
from pilothouse.apiserver.admission.matching.rules import EXEMPT_KINDS, is_exempt
from pilothouse.apiserver.admission.matching.versions import Version, kind_of
from pilothouse.apiserver.admission.plugin import AdmissionRequest, World
from pilothouse.machinery.catalogue import Catalogue
from pilothouse.machinery.resource import Resource

T = TypeVar("T")
Key = tuple[str, Resource[Any], Resource[Any], str, bool]


@dataclass(frozen=True, slots=True)
class Candidate(Generic[T]):
    """An owner whose rules select a request. `version` None: that depends on the name as well."""

    owner: T
    criteria: Criteria
    version: Version | None

    async def match(self, request: AdmissionRequest, world: World) -> Version | None:
        """Version in which the webhook or policy gets the request; None when selectors or name do not match.

        Raises StatusError when that cannot be decided.
        """
        version = self.version or selected(self.criteria, request, world.catalogue)
        return version if version is not None and await is_chosen(self.criteria, request, world) else None


class Index(Generic[T]):
    """Index of webhooks or policies by the resources that their rules name.

    `owners` in the order in which they are asked. Requests of `exempt` kinds are shown to none of them.
    """

    def __init__(self, owners: Iterable[tuple[T, Criteria]], catalogue: Catalogue, exempt: frozenset[str] = EXEMPT_KINDS) -> None:
        self._owners = tuple(owners)
        self._catalogue = catalogue
        self._exempt = exempt
        self._revision = catalogue.revision
        self._known: dict[Key, Sequence[Candidate[T]]] = {}

    def candidates(self, request: AdmissionRequest) -> Sequence[Candidate[T]]:
        """Webhooks or policies that may match the request, in their order."""
        if not self._owners:
            return ()
        if self._revision != self._catalogue.revision:
            self._known.clear()
            self._revision = self._catalogue.revision
        key = (request.operation, request.served, request.exchanged, request.subresource, bool(request.namespace))
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = tuple(self._found(request))
        return known

    def _found(self, request: AdmissionRequest) -> Iterable[Candidate[T]]:
        if is_exempt(kind_of(request.exchanged), self._exempt):
            return
        for owner, criteria in self._owners:
            if criteria.looks_at_names:
                yield Candidate(owner, criteria, None)
            elif (version := selected(criteria, request, self._catalogue)) is not None:
                yield Candidate(owner, criteria, version)
