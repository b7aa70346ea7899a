"""The default profile: plugins, their order, and the weights of their scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pilothouse.api.types.core_v1 import Namespace, PersistentVolume, PersistentVolumeClaim
from pilothouse.api.types.policy_v1 import PodDisruptionBudget
from pilothouse.api.types.storage_v1 import StorageClass
from pilothouse.client.client import Client
from pilothouse.client.informers import Informers
from pilothouse.scheduler.plugins.defaultbinder import DefaultBinder
from pilothouse.scheduler.plugins.defaultpreemption import DefaultPreemption
from pilothouse.scheduler.plugins.dynamicresources import DynamicResources
from pilothouse.scheduler.plugins.imagelocality import ImageLocality
from pilothouse.scheduler.plugins.interpodaffinity import InterPodAffinity
from pilothouse.scheduler.plugins.nodeaffinity import NodeAffinity
from pilothouse.scheduler.plugins.nodename import NodeName
from pilothouse.scheduler.plugins.nodeports import NodePorts
from pilothouse.scheduler.plugins.noderesourcesbalancedallocation import NodeResourcesBalancedAllocation
from pilothouse.scheduler.plugins.noderesourcesfit import NodeResourcesFit
from pilothouse.scheduler.plugins.nodeunschedulable import NodeUnschedulable
from pilothouse.scheduler.plugins.podtopologyspread import PodTopologySpread
from pilothouse.scheduler.plugins.prioritysort import PrioritySort
from pilothouse.scheduler.plugins.schedulinggates import SchedulingGates
from pilothouse.scheduler.plugins.tainttoleration import TaintToleration
from pilothouse.scheduler.plugins.volumebinding import VolumeBinding, Volumes
from pilothouse.scheduler.plugins.volumerestrictions import VolumeRestrictions
from pilothouse.scheduler.siblings import KINDS as SIBLING_KINDS
from pilothouse.scheduler.siblings import siblings

VOLUME_KINDS: tuple[type[Any], ...] = (PersistentVolumeClaim, PersistentVolume, StorageClass)
"""Kinds whose every change is an event "Any" for the queue."""
ALSO_READ: tuple[type[Any], ...] = (Namespace, PodDisruptionBudget, *SIBLING_KINDS, *VOLUME_KINDS)
"""Kinds that plugins read; scheduling begins when they are known."""


def volume_binding(client: Client, informers: Informers) -> VolumeBinding:
    """The VolumeBinding plugin over the informers' caches."""
    claims, volumes, classes = informers.of(PersistentVolumeClaim), informers.of(PersistentVolume), informers.of(StorageClass)
    known = Volumes(lambda name: volumes.get("", name), volumes.list)
    made = VolumeBinding(client, claims.get, known, lambda name: classes.get("", name))
    claims.subscribe(lambda *_: made.claims_changed())
    return made


def default_profile(client: Client, informers: Informers) -> tuple[tuple[Any, int], ...]:
    """(plugin, weight of its score), in upstream's order. `informers` serve what plugins read besides Nodes and Pods."""
    budgets = informers.of(PodDisruptionBudget)
    namespaces = informers.of(Namespace)

    def namespace_labels(name: str) -> Mapping[str, str]:
        namespace = namespaces.get("", name)
        return namespace.metadata.labels if namespace else {}

    inter_pod_affinity = InterPodAffinity(namespace_labels)
    namespaces.subscribe(lambda *_: inter_pod_affinity.namespaces_changed())
    return (
        (SchedulingGates(), 0),
        (PrioritySort(), 0),
        (NodeUnschedulable(), 0),
        (NodeName(), 0),
        (TaintToleration(), 3),
        (NodeAffinity(), 2),
        (NodePorts(), 0),
        (NodeResourcesFit(), 1),
        (VolumeRestrictions(informers.of(PersistentVolumeClaim).get), 0),
        (volume_binding(client, informers), 0),
        (PodTopologySpread(siblings(informers)), 2),
        (inter_pod_affinity, 2),
        (DynamicResources(), 0),
        (DefaultPreemption(budgets.list), 0),
        (NodeResourcesBalancedAllocation(), 1),
        (ImageLocality(), 1),
        (DefaultBinder(client), 0),
    )
