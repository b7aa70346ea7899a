"""Which tolerations match which taints."""

from __future__ import annotations

import pytest

from pilothouse.api.core.tolerations import find_matching_untolerated_taint, tolerates_taint
from pilothouse.api.types.core_v1 import Taint, Toleration

TAINT = Taint(key="dedicated", value="gpu", effect="NoSchedule")


@pytest.mark.parametrize(
    ("toleration", "expected"),
    [
        pytest.param(Toleration(key="dedicated", value="gpu", effect="NoSchedule"), True, id="equal, by default"),
        pytest.param(Toleration(key="dedicated", operator="Equal", value="gpu", effect="NoSchedule"), True, id="equal, by name"),
        pytest.param(Toleration(key="dedicated", value="other", effect="NoSchedule"), False, id="another value"),
        pytest.param(Toleration(key="other", value="gpu", effect="NoSchedule"), False, id="another key"),
        pytest.param(Toleration(key="dedicated", value="gpu", effect="NoExecute"), False, id="another effect"),
        pytest.param(Toleration(key="dedicated", value="gpu"), True, id="an empty effect matches all effects"),
        pytest.param(Toleration(key="dedicated", operator="Exists"), True, id="Exists needs no value"),
        pytest.param(Toleration(key="other", operator="Exists"), False, id="Exists of another key"),
        pytest.param(Toleration(operator="Exists"), True, id="an empty key with Exists matches every taint"),
        pytest.param(Toleration(operator="Exists", effect="NoExecute"), False, id="every taint, but of another effect"),
        pytest.param(Toleration(key="dedicated", operator="Gt", value="gpu"), False, id="an unknown operator matches nothing"),
    ],
)
def test_a_toleration_matches_by_effect_key_and_value(toleration: Toleration, expected: bool) -> None:
    assert tolerates_taint(toleration, TAINT) is expected


def test_the_first_untolerated_taint_of_the_effects_is_reported() -> None:
    soft = Taint(key="soft", effect="PreferNoSchedule")
    second = Taint(key="second", effect="NoExecute")
    tolerations = [Toleration(key="dedicated", operator="Exists")]
    assert find_matching_untolerated_taint(tolerations, [soft, TAINT, second], ("NoSchedule", "NoExecute")) is second
    assert find_matching_untolerated_taint(tolerations, [soft, TAINT], ("NoSchedule", "NoExecute")) is None
