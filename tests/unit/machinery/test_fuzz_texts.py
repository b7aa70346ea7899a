"""Whatever text or document comes, each reader of the machinery answers with a value or with the error that it promises."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.api.types.apps_v1 import Deployment
from pilothouse.api.types.core_v1 import Pod, Service
from pilothouse.machinery import codec, fields, intorstring, labels, names, quantity, time, yaml
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.patch import apply, merge, outcome, strategic
from pilothouse.machinery.patch import json as json_patch
from tests.unit.machinery.patch.applying import writer

ODD_TEXT = st.text(max_size=40) | st.text("ab01 ,=!()-+./:*?%\"'{}[]\\\nTZeEKMGimnu_", max_size=30)
SELECTOR_TEXT = st.lists(
    st.sampled_from(["a", "b/c", "in", "notin", "=", "==", "!=", "!", "(", ")", ",", " ", "x-1", ">", "<", "5", "", "\\", "-"]), max_size=12
).map("".join)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5)
WORDS = (
    "metadata spec name labels containers ports env finalizers ownerReferences uid port protocol image volumes kind apiVersion template "
    "$patch $retainKeys $setElementOrder/containers $deleteFromPrimitiveList/finalizers"
)
KEYS = st.sampled_from(WORDS.split()) | st.text(max_size=3)
DOCUMENTS = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=15)
OPERATIONS = st.lists(
    st.fixed_dictionaries(
        {
            "op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test", "x"]),
            "path": st.sampled_from(["", "/", "/spec", "/a/0", "/a/-", "x"]),
        },
        optional={"value": DOCUMENTS, "from": st.sampled_from(["", "/spec", "/a", "y"]) | LEAVES},
    ),
    max_size=4,
)


@pytest.mark.parametrize(
    ("read", "promised"),
    [
        pytest.param(labels.parse, (ValueError, StatusError), id="labels"),
        pytest.param(fields.parse, (ValueError, StatusError), id="fields"),
        pytest.param(quantity.parse, ValueError, id="quantity"),
        pytest.param(quantity.canonical, ValueError, id="canonical quantity"),
        pytest.param(quantity.milli, ValueError, id="milli"),
        pytest.param(lambda text: intorstring.scaled(text, 10, True), ValueError, id="intorstring"),
        pytest.param(time.parse, ValueError, id="time"),
        pytest.param(time.duration, ValueError, id="duration"),
        pytest.param(yaml.parse, yaml.YamlError, id="yaml"),
        pytest.param(lambda text: codec.parse(text.encode()), ValueError, id="json"),
        *(
            pytest.param(one, (), id=one.__name__)
            for one in (names.dns_label, names.dns_subdomain, names.qualified_name, names.label_value)
        ),
    ],
)
@given(text=ODD_TEXT | SELECTOR_TEXT)
def test_fuzz_any_text(read: Callable[[str], Any], promised: Any, text: str) -> None:
    with contextlib.suppress(promised):
        read(text)


@given(text=SELECTOR_TEXT, labels_of=st.dictionaries(st.sampled_from(["a", "b/c", "x-1"]), st.sampled_from(["", "5", "a"])))
def test_a_selector_means_what_it_prints_property(text: str, labels_of: dict[str, str]) -> None:
    try:
        selector = labels.parse(text)
    except (ValueError, StatusError):
        return
    again = labels.parse(str(selector))
    assert str(again) == str(selector)
    assert again.matches(labels_of) == selector.matches(labels_of)


@given(
    data=st.binary(max_size=60) | DOCUMENTS.map(lambda one: json.dumps(one).encode()),
    strictness=st.sampled_from(["Ignore", "Warn", "Strict"]),
)
@pytest.mark.parametrize("content_type", [codec.JSON, codec.YAML])
def test_fuzz_any_bytes_are_an_object_or_a_400(content_type: str, data: bytes, strictness: str) -> None:
    try:
        decoded = codec.decode_as(data, Service, strictness=strictness, content_type=content_type)
    except StatusError as error:
        assert error.code == 400  # noqa: PT017
    else:
        assert codec.decode_as(codec.encode(decoded.object), Service).object == decoded.object


@pytest.mark.parametrize("kind", [Pod, Deployment, Service])
@given(current=st.dictionaries(KEYS, DOCUMENTS, max_size=3), patch=DOCUMENTS, operations=OPERATIONS)
def test_fuzz_any_patch_makes_an_object_or_a_status(kind: type[Any], current: dict[str, Any], patch: Any, operations: Any) -> None:
    try:
        seen = codec.to_dict(codec.from_dict(current, kind))
    except StatusError:
        return
    appliers: list[tuple[str, Callable[[], Any], Any]] = [
        (outcome.JSON_PATCH, lambda: json_patch.apply(seen, json.dumps(operations).encode(), kind), operations),
        (outcome.MERGE_PATCH, lambda: merge.apply(seen, json.dumps(patch).encode(), kind), patch),
        (outcome.STRATEGIC_MERGE_PATCH, lambda: strategic.apply(seen, json.dumps(patch).encode(), kind), patch),
        (outcome.APPLY_PATCH, lambda: apply.apply(seen, (), patch, writer(kind, "fuzz"))[0], patch),
    ]
    for patch_type, apply_patch, body in appliers[: 4 if isinstance(patch, dict) else 3]:
        before = codec.clone(seen)
        try:
            after = apply_patch()
            if patch_type == outcome.APPLY_PATCH:
                made = outcome.applied_object(after, body, kind)
            else:
                made = outcome.object_of(after, json.dumps(body).encode(), patch_type, kind).object
            codec.encode(made)
        except StatusError:
            pass
        assert seen == before
