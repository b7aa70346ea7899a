"""Empty lists and maps that a client has said are known while its request is answered, and not after."""

from __future__ import annotations

from pilothouse.api.types.core_v1 import Pod, PodSpec, ResourceRequirements
from pilothouse.machinery.said_empty import SaidEmpty, containers, is_said


def test_what_a_body_says_is_empty_is_told_from_what_it_does_not_say() -> None:
    pod = Pod(spec=PodSpec(resources=ResourceRequirements()))
    assert pod.spec.resources is not None
    with SaidEmpty() as said:
        said.add(containers({"spec": {"overhead": {}, "resources": {"claims": []}}}, pod))
        assert is_said(pod.spec.overhead)
        assert is_said(pod.spec.resources.claims)
        assert not is_said(pod.spec.resources.limits)
        assert not is_said(pod.spec.tolerations)
    assert not is_said(pod.spec.overhead)


def test_what_holds_something_is_said() -> None:
    assert is_said([1])
    assert is_said({"a": "b"})
    assert not is_said(None)
