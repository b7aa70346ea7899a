"""Aggregation: API servers of users, registered by APIServices, whose groups are served as if they were this server's own.

- `extensions` follows the APIServices: which group and version leads to which Service. `tls` says whom is believed, and who we are.
- `proxy` passes requests on, with the user in headers. `client` asks for what this server itself wants to know.
- `discovery` and `openapi` keep their documents, which are merged with this server's own.

Upstream: kube-aggregator. Which APIServices are available is told in registry/poststart/apiservices.py.
"""
