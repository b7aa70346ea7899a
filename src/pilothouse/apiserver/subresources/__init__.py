"""Subresources that are connections to a node or a pod: log, exec, attach, portforward, proxy. One `Connect` a file.

Subresources that are objects (status, scale, binding, eviction, ...) are in registry/subresources/.
"""
