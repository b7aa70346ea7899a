"""Volumes that lie on nodes: scheduler, controllers and kubelets together."""

from __future__ import annotations

import pytest

from pilothouse.api.types.core_v1 import PersistentVolumeClaim, Pod
from pilothouse.testing.cluster import Cluster

pytestmark = pytest.mark.cluster(clock="still")

CLASS = """
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: local}
provisioner: kubernetes.io/no-provisioner
volumeBindingMode: WaitForFirstConsumer
"""
VOLUME = """
apiVersion: v1
kind: PersistentVolume
metadata: {name: disk-NODE}
spec:
  storageClassName: local
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteOnce]
  hostPath: {path: /srv/disk}
  nodeAffinity:
    required:
      nodeSelectorTerms:
      - matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [NODE]}]
"""
DATABASE = """
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  replicas: 3
  serviceName: db
  podManagementPolicy: Parallel
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      containers: [{name: db, image: "db:1", volumeMounts: [{name: data, mountPath: /data}]}]
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {storageClassName: local, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
"""


@pytest.mark.cluster(nodes=4)
def test_pods_go_where_free_volumes_are_and_stay_there(cluster: Cluster) -> None:
    cluster.apply("---".join([CLASS, *(VOLUME.replace("NODE", node) for node in ("node-1", "node-3")), DATABASE]))
    cluster.advance("1m")
    pods = {one.metadata.name: one for one in cluster.list(Pod, "default")}
    assert sorted(one.spec.nodeName for one in pods.values()) == ["", "node-1", "node-3"]
    assert sorted(one.status.phase for one in pods.values()) == ["Pending", "Running", "Running"]
    bound = {one.metadata.name: one.spec.volumeName for one in cluster.list(PersistentVolumeClaim)}
    for name, one in pods.items():
        assert bound[f"data-{name}"] == (f"disk-{one.spec.nodeName}" if one.spec.nodeName else "")
    cluster.apply(VOLUME.replace("NODE", "node-0"))
    cluster.advance("1m")
    again = {one.metadata.name: one.spec.nodeName for one in cluster.list(Pod, "default")}
    assert sorted(again.values()) == ["node-0", "node-1", "node-3"]
    running = next(name for name, one in pods.items() if one.spec.nodeName)
    cluster.delete(Pod, running)
    cluster.advance("1m")
    assert cluster.get(Pod, running).spec.nodeName == pods[running].spec.nodeName
