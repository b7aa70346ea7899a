"""A call in the registry, with what all verbs need of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pilothouse.apiserver.admission.plugin import AdmissionRequest
from pilothouse.apiserver.auth.user import User
from pilothouse.client.call import Call, Options
from pilothouse.machinery.resource import Resource


@dataclass(slots=True)
class Request:
    """`served` is the version that the client speaks, `resource` that in which objects are changed, admitted and validated (the stored
    one, but of custom resources the served one, too); `warnings` go back to the client.

    `applies` says that the body's managedFields are the server's own work and not the client's word.
    """

    call: Call
    user: User
    served: Resource[Any]
    resource: Resource[Any]
    warnings: list[str] = field(default_factory=list)
    annotations: dict[str, str] = field(default_factory=dict)
    """For the audit log."""
    applies: bool = False
    namespace: str = field(init=False)
    name: str = field(init=False)
    options: Options = field(init=False)
    """Of the call; the namespace is "" where the resource has none."""

    def __post_init__(self) -> None:
        self.namespace = self.call.namespace if self.resource.namespaced else ""
        self.name, self.options = self.call.name, self.call.options

    @property
    def storage_key(self) -> str:
        """Upstream's storage key of the object without the prefix, as shown in messages."""
        resource = self.resource
        place = ("", resource.strategy.storage_prefix or resource.plural, *([self.namespace] if resource.namespaced else []), self.name)
        return "/".join(place)

    def admission(
        self, operation: str, name: str, obj: Any, old: Any, subresource: str = "", exchanged: Resource[Any] | None = None
    ) -> AdmissionRequest:
        """The admission request of this call. `exchanged` is the type of the body when it differs from the kind."""
        namespace = self.namespace
        if not namespace and self.resource.kind == "Namespace" and self.resource.group == "":
            namespace = name
        return AdmissionRequest(
            operation,
            self.resource,
            subresource,
            namespace,
            name,
            obj,
            old,
            self.user,
            self.options,
            self.served,
            exchanged or self.served,
            self.options.dry_run,
            self.warnings,
            self.annotations,
        )
