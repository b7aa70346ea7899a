"""The API server: HTTP requests and calls in process, executed against the registry.

- server.py listens; chain/ has one link a file: authentication, authorization, limits, audit, failures.
- routes.py finds the function that answers: verbs/, subresources/, paths/, aggregation/ (extension API servers).
- http/, openapi/, discovery/: decoding, encoding and the documents that clients read.
- registry/: the one write path: defaults, admission, validation, commit. extensions/: custom resources. fairness/: API priority.
- admission/: plugins, webhooks and policies. auth/: who asks, and what is allowed.
- cache/: the watch cache. storage/: bytes and revisions in memory, SQLite or etcd.

Not here: what is special about a kind (api/), controllers, the client.
"""
