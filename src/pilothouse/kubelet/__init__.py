"""The kubelet: runs the Pods that are bound to its node, and reports their status.

- kubelet.py wires it; everything in it is asynchronous, and what may block runs in threads with deadlines (host/, cgroups.py).
- pods/: one worker a pod. planner.py, ending.py, status.py, phase.py, conditions.py and relist.py's functions decide (pure); pod_runtime.py
  executes, publisher.py tells the API.
- runtime/: the port to container runtimes, CRI and a simulated one; call_queue.py orders the calls that cost much.
- node/: registration, status, Lease, admission and preemption. eviction/: signals, ranking. images/, mounts/, volumes/, probes/, hooks.py.
- staticpods.py, orphans.py, leftovers.py, logs.py: pods from manifests, what others left, log rotation.
- server/: logs, exec, attach, port-forward, metrics. Not here: containerd's own process and Linux primitives (node/), services (proxy/).
"""
