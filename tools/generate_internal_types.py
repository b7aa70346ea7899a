#!/usr/bin/env python3
"""Writes src/pilothouse/api/internal_types.tsv: the fields of upstream's internal types, in their order, with their kinds.

    generate_internal_types.py MODULE     MODULE: the folder of the Go module k8s.io/kubernetes

Upstream's field errors print values as its internal types have them: Go's field names, every field, `null` for what is not there.
One line a type: `group.Type`, then `Name:kind` a field. A kind is s (string), i (integer), b (boolean), q (quantity), n (int-or-string),
t (time), m (ObjectMeta), v (a type that prints as in its version), or another type;
`*` a pointer, `[]` a list, `{}` a map. A field without a name is embedded.
Only what the types in WANTED hold is written.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

TARGET = Path(__file__).resolve().parents[1] / "src/pilothouse/api/internal_types.tsv"
WANTED = """
    core.PodSpec core.PodTemplateSpec core.PersistentVolumeClaim core.PersistentVolumeSpec core.VolumeNodeAffinity core.ObjectReference
    core.ServicePort core.EphemeralContainer core.Container core.NodeSelectorTerm core.NodeSpec core.NodeStatus core.EndpointAddress
    core.Taint core.PodIP core.HostIP core.EventSeries core.LimitRangeItem core.TopologySelectorTerm core.ScopeSelector
    batch.JobSpec batch.JobStatus batch.PodFailurePolicyRule resource.ResourceClaimSpec
    resource.ResourceClaimTemplateSpec resource.ResourceClaimStatus resource.ResourceSliceSpec resource.DeviceClassSpec
    storage.CSINodeSpec storage.VolumeAttachmentSpec storage.StorageClass policy.PodDisruptionBudgetSpec apps.DaemonSetUpdateStrategy
    apps.DeploymentStrategy apps.StatefulSetUpdateStrategy rbac.RoleRef certificates.PodCertificateRequestSpec
    certificates.ClusterTrustBundleSpec certificates.PodCertificateRequestStatus certificates.CertificateSigningRequestSpec
    flowcontrol.FlowSchemaSpec flowcontrol.PriorityLevelConfigurationSpec
    storagemigration.StorageVersionMigrationSpec authorization.SubjectAccessReviewSpec authorization.SelfSubjectAccessReviewSpec
    networking.IPAddressSpec networking.ServiceCIDRSpec networking.IngressSpec networking.NetworkPolicySpec autoscaling.MetricSpec
    autoscaling.HorizontalPodAutoscalerBehavior admissionregistration.ParamRef admissionregistration.ParamKind
    discovery.Endpoint discovery.EndpointPort
"""
PLAIN = {
    "string": "s", "bool": "b", "int": "i", "int32": "i", "int64": "i", "float64": "i", "uint32": "i", "resource.Quantity": "q",
    "intstr.IntOrString": "n", "metav1.Time": "t", "metav1.MicroTime": "t", "types.UID": "s", "types.NodeName": "s",
    "ResourceList": "{}q", "metav1.ObjectMeta": "m",
}  # fmt: skip


def parsed(module: Path) -> dict[str, list[tuple[str, str]] | str]:
    """Type name with its group, to its fields (name, Go type) or to the type that it is another name of."""
    types: dict[str, list[tuple[str, str]] | str] = {}
    for path in sorted(module.glob("pkg/apis/*/types.go")):
        group, text = path.parent.name, re.sub(r"//[^\n]*|/\*.*?\*/", "", path.read_text(), flags=re.S)
        for name, body in re.findall(r"^type (\w+) struct \{\n(.*?)^\}", text, flags=re.S | re.M):
            fields = [re.sub(r"`[^`]*`", "", line).split(None, 1) for line in body.splitlines() if line.strip()]
            types[f"{group}.{name}"] = [("", part[0]) if len(part) == 1 else (part[0], part[1].strip()) for part in fields]
        for name, other in re.findall(r"^type (\w+) ((?:\[\]|map\[\w+\])?[\w.]+)$", text, flags=re.M):
            types.setdefault(f"{group}.{name}", other)
    return types


def kind_of(group: str, go: str, types: dict[str, list[tuple[str, str]] | str]) -> str:
    """The kind of a field, as the module docstring has it."""
    if go in PLAIN:
        return PLAIN[go]
    if go == "[]byte":
        return "v"
    for prefix, mark in (("*", "*"), ("[]", "[]")):
        if go.startswith(prefix):
            return mark + kind_of(group, go[len(prefix) :], types)
    if go.startswith("map["):
        return "{}" + kind_of(group, go.partition("]")[2], types)
    package, _, name = go.rpartition(".")
    package = {"api": "core", "v1": "meta", "": group}.get(package, package)
    other = types.get(f"{package}.{name}")
    if other is None:
        return "v"
    return kind_of(package, other, types) if isinstance(other, str) else f"{package}.{name}"


def main() -> None:
    types = parsed(Path(sys.argv[1]))
    lines: dict[str, str] = {}
    waiting = WANTED.split()
    while waiting:
        name = waiting.pop()
        fields = types.get(name)
        if name in lines or not isinstance(fields, list):
            assert name in lines, name
            continue
        kinds = [(field, kind_of(name.partition(".")[0], go, types)) for field, go in fields if go != "metav1.TypeMeta"]
        lines[name] = "\t".join([name, *(f"{field}:{kind}" for field, kind in kinds)])
        waiting += [bare for _, kind in kinds if "." in (bare := re.sub(r"[*\[\]{}]", "", kind))]
    TARGET.write_text("\n".join(lines[name] for name in sorted(lines)) + "\n")


main()
