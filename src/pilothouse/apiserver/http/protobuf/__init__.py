"""Kubernetes' protobuf form of objects, as far as it must be read: Go clients since 1.32 write nothing else for the built-in kinds.

Only bodies are read; answers go out as JSON, which every such client accepts beside it. fields.json (checked by
tools/check_protobuf_fields.py) has the numbers, decoder.py reads by them.
"""
