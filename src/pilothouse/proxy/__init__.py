"""kube-proxy: packet rules of one node that lead from a Service's addresses and ports to its endpoints.

- proxy.py: the component: follows Services and EndpointSlices and applies what changed.
- planner.py: from a Service and its slices to a `PortPlan`; pure, the same for every backend.
- backends/: who makes rules of plans: nftables, through libnftables.
- conntrack.py: deletes stale UDP connection tracking entries; netlink.py: the message format that it needs.
- loopback.py: node ports on 127.0.0.1.
- healthcheck.py, nodehealth.py, metrics.py, metrics_server.py, http_server.py: health checks and metrics.

Not here: addresses of Services (apiserver/registry), EndpointSlices (controllers/), names (dns/).
"""
