"""PersistentVolumeClaims of StatefulSets."""
