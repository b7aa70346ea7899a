"""HTTP plumbing of the API server: what every verb, subresource and plain path needs between the socket and the registry.

- `connection`, `wire`: requests read and answers written; `request`, `request_info`, `context`: what travels along the chain.
- `negotiation`, `decoding`, `encoding`, `options`: bodies, media types and query parameters; `watch_encoding`,
  `watch_streams`: the same for watches; `protobuf`: reading Kubernetes' protobuf.
- `in_flight`, `request_metrics`: counters of requests; `streaming`: connections that are passed on to kubelets and pods.

Which function answers is not here: verbs/, subresources/, paths/ and routes.py.
"""
