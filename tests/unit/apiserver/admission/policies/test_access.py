"""Who writes a policy or a binding must be allowed to read its params."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from pilothouse.api.catalogue import built_in, resource_of
from pilothouse.api.types.admissionregistration_v1 import (
    ParamKind,
    ParamRef,
    ValidatingAdmissionPolicy,
    ValidatingAdmissionPolicyBinding,
    ValidatingAdmissionPolicyBindingSpec,
    ValidatingAdmissionPolicySpec,
)
from pilothouse.apiserver.admission.plugin import CREATE, AdmissionRequest
from pilothouse.apiserver.admission.plugins.paramaccess import ParamAccess
from pilothouse.apiserver.auth.authorizer import Attributes
from pilothouse.apiserver.auth.user import ADMIN, User
from pilothouse.client.call import Options
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.meta_v1 import LabelSelector, ObjectMeta

JANE = User("jane", groups=("system:authenticated",))
SHOWN = "user &{jane  [system:authenticated] map[]}"
EVERYTHING = "permission for all groups, versions and resources"


def policy(kind: str) -> ValidatingAdmissionPolicy:
    spec = ValidatingAdmissionPolicySpec(paramKind=ParamKind(apiVersion="v1", kind=kind) if kind else None)
    return ValidatingAdmissionPolicy(metadata=ObjectMeta(name="p"), spec=spec)


def binding(reference: ParamRef | None) -> ValidatingAdmissionPolicyBinding:
    spec = ValidatingAdmissionPolicyBindingSpec(policyName="p", paramRef=reference)
    return ValidatingAdmissionPolicyBinding(metadata=ObjectMeta(name="b"), spec=spec)


@dataclass
class Cluster:
    """A World with one policy, whose users may do what is `allowed`."""

    policy: ValidatingAdmissionPolicy | None = None
    allowed: tuple[Attributes, ...] = ()
    catalogue: Any = field(default_factory=built_in)

    async def get(self, kind: type[Any], name: str, namespace: str = "") -> Any:
        return self.policy

    def may(self, user: User, attributes: Attributes) -> bool:
        return attributes in self.allowed


def refusal(obj: Any, world: Any, user: User = JANE, old: Any = None) -> str:
    """What the writer is told is wrong; "" when nothing is."""
    resource = resource_of(type(obj))
    request = AdmissionRequest(CREATE, resource, "", "", "x", obj, old, user, Options(), resource, resource)
    try:
        asyncio.run(ParamAccess().validate(request, world))
    except StatusError as error:
        return f"{error.status.message.partition(' is invalid: ')[2]}" if error.status.code == 422 else error.status.message
    return ""


@pytest.mark.parametrize(
    ("kind", "allowed", "expected"),
    [
        pytest.param("", (), "", id="no params"),
        pytest.param("ConfigMap", (Attributes("get", "", "v1", "configmaps", namespace="*", name="*"),), "", id="allowed"),
        pytest.param(
            "ConfigMap",
            (Attributes("get", "", "v1", "configmaps"),),
            f'spec.paramKind: Forbidden: {SHOWN} must have "get" permission on all objects of the referenced paramKind '
            "(kind=ConfigMap, apiVersion=v1)",
            id="not all objects",
        ),
        pytest.param("Nothing", (Attributes("get", "", "v1", "*", namespace="*", name="*"),), "", id="an unknown kind, and all resources"),
    ],
)
def test_the_writer_of_a_policy_must_be_allowed_to_read_all_objects_of_its_param_kind(
    kind: str, allowed: tuple[Attributes, ...], expected: str
) -> None:
    assert refusal(policy(kind), Cluster(allowed=allowed)) == expected


def test_a_param_kind_that_an_update_leaves_is_not_asked_about_again() -> None:
    assert refusal(policy("ConfigMap"), Cluster(), old=policy("ConfigMap")) == ""
    assert refusal(policy("ConfigMap"), Cluster(), old=policy("Secret")) != ""


def test_masters_are_not_asked() -> None:
    assert refusal(policy("ConfigMap"), Cluster(), ADMIN) == ""


NAMED, SELECTED = ParamRef(name="x", namespace="n"), ParamRef(selector=LabelSelector())


@pytest.mark.parametrize(
    ("reference", "bound", "allowed", "expected"),
    [
        pytest.param(None, "ConfigMap", (), "", id="no params"),
        pytest.param(NAMED, "ConfigMap", (Attributes("get", "", "v1", "configmaps", namespace="n", name="x"),), "", id="allowed"),
        pytest.param(SELECTED, "ConfigMap", (Attributes("list", "", "v1", "configmaps"),), "", id="a selector lists"),
        pytest.param(
            NAMED,
            "ConfigMap",
            (),
            f'spec.paramRef: Forbidden: {SHOWN} does not have "get" permission on the object referenced by paramRef',
            id="not allowed",
        ),
        pytest.param(
            SELECTED,
            None,
            (),
            f"spec.paramRef: Forbidden: unable to get policy p to determine minimum required permissions and {SHOWN} "
            f'does not have "list" {EVERYTHING}',
            id="no policy",
        ),
        pytest.param(
            NAMED,
            "Unknown",
            (),
            "spec.paramRef: Forbidden: unable to resolve paramKind &{v1 Unknown} to determine minimum required permissions and "
            f'{SHOWN} does not have "get" {EVERYTHING}',
            id="an unknown kind",
        ),
    ],
)
def test_the_writer_of_a_binding_must_be_allowed_to_read_its_params(
    reference: ParamRef | None, bound: str | None, allowed: tuple[Attributes, ...], expected: str
) -> None:
    world = Cluster(None if bound is None else policy(bound), allowed)
    assert refusal(binding(reference), world) == expected
