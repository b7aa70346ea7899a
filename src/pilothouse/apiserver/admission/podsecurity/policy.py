"""Standards that a namespace's labels ask for, and violations by a Pod."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from pilothouse.api.types.core_v1 import PodSpec
from pilothouse.apiserver.admission.podsecurity.baseline import BASELINE
from pilothouse.apiserver.admission.podsecurity.check import Finding
from pilothouse.apiserver.admission.podsecurity.restricted import RESTRICTED
from pilothouse.machinery import strconv
from pilothouse.machinery.meta_v1 import ObjectMeta
from pilothouse.machinery.problems import Problem, Problems

PREFIX = "pod-security.kubernetes.io/"
ENFORCE, AUDIT, WARN = "enforce", "audit", "warn"
MODES = (ENFORCE, AUDIT, WARN)
LABELS = frozenset(f"{PREFIX}{mode}{suffix}" for mode in MODES for suffix in ("", "-version"))
LEVELS = ("privileged", "baseline", "restricted")
"""From what allows all to what allows least."""
LATEST = 1 << 31
"""The minor version of `latest`: newer than all."""
VERSION = re.compile(r"v1\.([0-9]|[1-9][0-9]*)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Standard:
    """A level of the standards, as it was in a version."""

    level: str = "privileged"
    minor: int = LATEST

    def __str__(self) -> str:
        return f"{self.level}:{'latest' if self.minor == LATEST else f'v1.{self.minor}'}"

    @property
    def strictness(self) -> int:
        """Rank of the level: privileged, baseline, restricted."""
        return LEVELS.index(self.level)

    def findings(self, meta: ObjectMeta, spec: PodSpec) -> list[Finding]:
        """Violations by a Pod."""
        if not self.strictness:
            return []
        stricter = [check for check in RESTRICTED if check.at(self.minor)] if self.level == "restricted" else []
        overridden = [check.overrides for check in stricter]
        checks = [*(check for check in BASELINE if check not in overridden), *stricter]
        runs = (check.at(self.minor) for check in checks)
        return [finding for run in runs if run is not None and (finding := run(meta, spec)) is not None]


@dataclass(frozen=True, slots=True)
class Policy:
    """Standards of a namespace for enforce, audit and warn. (Audit is parsed and validated only.)"""

    enforce: Standard = Standard()
    audit: Standard = Standard()
    warn: Standard = Standard()


NOTHING = Policy()


def policy_of(labels: Mapping[str, str]) -> tuple[Policy, list[Problem]]:
    """The policy, and what is wrong with the labels: what cannot be read is enforced as the strictest, and warns of nothing."""
    if not LABELS & labels.keys():
        return NOTHING, []
    problems = Problems()
    standards = {mode: _standard(labels, mode, problems) for mode in MODES}
    level, version = (f"{PREFIX}{WARN}{suffix}" in labels for suffix in ("", "-version"))
    if (
        not level and standards[ENFORCE].strictness > standards[WARN].strictness
    ):  # who turns pods away warns of workloads that would make them
        standards[WARN] = replace(standards[WARN], level=standards[ENFORCE].level, minor=standards[WARN if version else ENFORCE].minor)
    return Policy(standards[ENFORCE], standards[AUDIT], standards[WARN]), problems.found


def _standard(labels: Mapping[str, str], mode: str, problems: Problems) -> Standard:
    level, version = labels.get(PREFIX + mode, "privileged"), labels.get(f"{PREFIX}{mode}-version", "latest")
    if level not in LEVELS:
        problems.at("metadata", "labels", f"[{PREFIX}{mode}]").invalid(level, f"must be one of {', '.join(LEVELS)}")
        level = "restricted" if mode == ENFORCE else "privileged"
    match = VERSION.fullmatch(version)
    minor = strconv.unsigned(match[1], strconv.INT64) if match is not None else None
    if minor is None and version != "latest":
        problems.at("metadata", "labels", f"[{PREFIX}{mode}-version]").invalid(version, 'must be "latest" or "v1.x"')
    return Standard(level, LATEST if minor is None else minor)
