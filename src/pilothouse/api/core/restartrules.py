"""Whether a container restarts after it exited: by its rules, its policy, or the Pod's policy (KEP-5307, KEP-5532). Pure.

The kubelet acts by it, and the API server judges by it which changes of a container's state a status may tell.
"""

from __future__ import annotations

from collections.abc import Iterable

from pilothouse.api.types.core_v1 import Container, ContainerRestartRule, EphemeralContainer

RESTART, RESTART_ALL = "Restart", "RestartAllContainers"
AnyContainer = Container | EphemeralContainer


def should_restart(container: AnyContainer, pod_policy: str | None, exit_code: int) -> bool:
    """Decision of the first rule that matches the exit code, else by the policy."""
    if matching_action(container, exit_code) == RESTART:
        return True
    policy = container.restartPolicy or pod_policy or "Always"
    return policy == "Always" or (policy == "OnFailure" and exit_code != 0)


def matching_action(container: AnyContainer, exit_code: int) -> str:
    """Action of the first rule that matches the exit code; "" when none does."""
    return next((rule.action for rule in container.restartPolicyRules if _matches(rule, exit_code)), "")


def could_restart_all(containers: Iterable[AnyContainer]) -> bool:
    """Whether any of them has a rule that restarts all containers of the pod."""
    return any(rule.action == RESTART_ALL for container in containers for rule in container.restartPolicyRules)


def _matches(rule: ContainerRestartRule, exit_code: int) -> bool:
    codes = rule.exitCodes
    if codes is None:
        return False
    return (exit_code in codes.values) if codes.operator == "In" else (exit_code not in codes.values)
