"""Node: Linux primitives that a cluster on one machine needs; nothing here knows the Kubernetes API.

- namespaces.py, mounts.py, linux.py: network and mount namespaces, mount tables, system calls.
- network.py, pod_network.py, routes.py, cni.py, netwatch.py: the node's link to the host, the pods' bridge, free address ranges.
- containerd.py, supervisor.py, shims.py: a private containerd: its configuration, its process, what it leaves.
- images.py, busybox.py, pause.py: images that are made locally, so that no registry is needed.
- cgroups.py, processes.py: control groups, and processes that outlive who started them.

Not here: pods and their volumes (kubelet/), Services (proxy/), what a cluster is made of (cluster/).
"""
