"""The cluster's DNS server: Kubernetes' DNS specification 1.1.0, and all other names from the resolvers upstream.

- server.py: the component: follows Services, EndpointSlices and Namespaces, and serves.
- zone.py: the index of names; answers.py: from a question to its answer, pure.
- wire.py: the message format; records_of.py: reads the records of other servers' answers.
- listeners.py: UDP and TCP sockets; upstream.py, cache.py: other resolvers and what they answered.

Not here: what a Pod's resolv.conf says (kubelet/), and the Service `kube-dns` that leads to this server (cluster/services.py).
"""
