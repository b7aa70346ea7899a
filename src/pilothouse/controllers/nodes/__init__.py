"""Shared by node controllers: taints, tolerations, zone states."""
