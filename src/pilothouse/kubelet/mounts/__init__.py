"""Volumes of Pods: mounting, refreshing and unmounting them. The volume kinds are in ../volumes."""
