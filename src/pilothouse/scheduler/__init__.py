"""kube-scheduler: chooses a node for every Pod that has none, and binds it.

- scheduler.py: the loop: queue -> filter -> score -> reserve -> bind; failures go back to the queue or to preemption.
- queue.py: Pods that wait: active, backing off, unschedulable, gated.
- snapshot.py, podcounts.py, topology.py: nodes and counts of Pods as NumPy columns; cluster.py keeps them by deltas.
- facts.py, podterms.py, existingterms.py, nodeselector.py: what is worked out of a Pod or selector once.
- framework/: extension points and the runtime that calls plugins; plugins/: one a file; profile.py: their order and weights.
- preemption.py, victims.py: whom to evict for a more important Pod, and the eviction itself.

Not here: DaemonSet's own placement (controllers/builtin/daemonset.py), and the kubelet's admission (kubelet/node/admission.py), which
checks resources, ports and taints once more on the node.
"""
