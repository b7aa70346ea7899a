"""The machine under the kubelet: files, mounts, what it has and how full it is."""
