"""The machine of the kubelet: files, mounts, capacity and usage."""
