"""The controllers of kube-controller-manager: each brings one kind of object closer to what its spec asks for.

- builtin/: one controller a file, found by discovery; `manager.py` runs them over one set of informers.
- framework/: what every controller is written against: `Controller`, `World`, actions, the work queue's runner, the executor.
- deployments/, jobs/, statefulsets/, endpoints/, garbage/, nodes/, volumes/, certificates/, histories/: pure decisions of the controllers
  of that name, called by the files in builtin/.
- pods.py, replicas.py, ranking.py: facts about Pods and replicas that several controllers need.

Not here: what the API server does to an object on its way into the store (apiserver/registry, apiserver/admission), defaults and
validation of a kind (api/), and whatever runs on a node (kubelet/, proxy/).
"""
