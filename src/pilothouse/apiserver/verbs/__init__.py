"""Verbs of the API over HTTP, one file each: read options and body, execute a `Call` on the registry, encode the result.

Nothing here is about a kind. What a verb does to objects is in registry/; log, exec and the like are in subresources/.
"""
