"""The status of definitions: which names are accepted, and the conditions, from (definition, definitions of its group)."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.api.types.apiextensions_v1 import CustomResourceDefinition
from pilothouse.apiserver.extensions.status import status_after
from pilothouse.machinery import codec
from tests.unit.apiserver.extensions.definitions import conditions, definition

NOW = "2026-01-01T00:00:00Z"
TWO = '["wd" is already in use, "w" is already in use]'


def of(kind: str = "Widget", group: str = "example.com", **names: Any) -> CustomResourceDefinition:
    """A definition, with the names that defaults would fill in."""
    full = {"singular": kind.lower(), "listKind": f"{kind}List", **names}
    return codec.from_dict(definition(kind=kind, group=group, **full), CustomResourceDefinition)


def settled(one: CustomResourceDefinition, *group: CustomResourceDefinition) -> CustomResourceDefinition:
    """The definition with the status that it gets."""
    status = status_after(one, [one, *group], NOW)
    assert status is not None
    one.status = status
    return one


def told(one: CustomResourceDefinition) -> dict[str, tuple[str, str, str]]:
    return conditions(codec.to_dict(one))


def test_a_first_definition_has_its_names_and_is_established() -> None:
    made = settled(of(shortNames=["wd"]))
    assert made.status.acceptedNames == made.spec.names
    assert told(made) == {
        "NamesAccepted": ("True", "NoConflicts", "no conflicts found"),
        "Established": ("True", "InitialNamesAccepted", "the initial names have been accepted"),
    }
    assert status_after(made, [made], "2027-01-01T00:00:00Z") is None


@pytest.mark.parametrize(
    ("other", "reason", "message"),
    [
        pytest.param(of("Gadget", plural="widgets"), "PluralConflict", '"widgets" is already in use', id="plural"),
        pytest.param(of("Gadget", singular="widget"), "SingularConflict", '"widget" is already in use', id="singular"),
        pytest.param(of("Gadget", shortNames=["wd"]), "ShortNamesConflict", '"wd" is already in use', id="a short name"),
        pytest.param(
            of("Gadget", shortNames=["wd", "w"]), "ShortNamesConflict", '["wd" is already in use, "w" is already in use]', id="two"
        ),
        pytest.param(of("Gadget", listKind="Widget"), "KindConflict", '"Widget" is already in use', id="kind"),
        pytest.param(of("WidgetList", listKind="Widgets"), "ListKindConflict", '"WidgetList" is already in use', id="list kind"),
    ],
)
def test_names_of_others_in_the_group_are_not_accepted(other: CustomResourceDefinition, reason: str, message: str) -> None:
    taken = settled(codec.clone(other))
    made = settled(of(shortNames=["wd", "w"]), taken)
    assert told(made)["NamesAccepted"] == ("False", reason, message)
    assert told(made)["Established"] == ("False", "NotAccepted", "not all names are accepted")


def test_who_is_established_stays_so_when_a_new_name_is_taken() -> None:
    taken = settled(of("Gadget", shortNames=["g"]))
    made = settled(of(), taken)
    made.spec.names.shortNames = ["g"]
    settled(made, taken)
    assert (made.status.acceptedNames.shortNames, told(made)["Established"][0]) == ([], "True")
    assert told(made)["NamesAccepted"][:2] == ("False", "ShortNamesConflict")


@pytest.mark.parametrize(
    ("said", "status", "reason", "message"),
    [
        pytest.param("", "False", "MissingAnnotation", "protected groups must have approval annotation", id="missing"),
        pytest.param("unapproved, a test", "False", "UnapprovedAnnotation", 'not approved: "unapproved, a test"', id="unapproved"),
        pytest.param("https://example.com/1", "True", "ApprovedAnnotation", "approved in https://example.com/1", id="approved"),
        pytest.param("yes", "False", "InvalidAnnotation", "with either a URL or a reason starting with", id="invalid"),
    ],
)
def test_apis_of_protected_groups_need_an_approval(said: str, status: str, reason: str, message: str) -> None:
    wanted = of(group="tests.k8s.io")
    wanted.metadata.annotations = {"api-approved.kubernetes.io": said} if said else {}
    found = told(settled(wanted))["KubernetesAPIApprovalPolicyConformant"]
    assert (found[:2], message in found[2]) == ((status, reason), True)


def test_a_definition_that_preserves_unknown_fields_is_not_structural() -> None:
    wanted = of()
    wanted.spec.preserveUnknownFields = True
    made = settled(wanted)
    assert told(made)["NonStructuralSchema"] == ("True", "Violations", "spec.preserveUnknownFields: Invalid value: true: must be false")
    made.spec.preserveUnknownFields = False
    assert "NonStructuralSchema" not in told(settled(made))
