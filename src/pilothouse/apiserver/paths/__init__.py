"""Paths beside resources, one file each: health, metrics, version, discovery, OpenAPI, token issuer, root.

Each has a function that returns handlers by path; a path that ends in `*` is a prefix. server.py puts them together.
"""
