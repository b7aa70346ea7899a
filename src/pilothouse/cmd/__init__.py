"""Programs, one file each; the only place that constructs components and connects them.

- pilothouse.py: the command line; every command imports only what it needs. refusals.py: system errors in words.
- start.py: entry point of the cluster's processes; process.py: arguments, signals, logs and event loop that they share.
- controlplane.py, api.py: store, API server, controllers and scheduler in one process.
- nodeagent.py: containerd's supervisor, kubelet, proxy and DNS in one process.
- supervisor.py: starts the others again.

Not here: decisions. What `up` and `down` do is in cluster/, what a component does in its own package.
"""
