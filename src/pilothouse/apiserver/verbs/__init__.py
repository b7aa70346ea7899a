"""The verbs of the API over HTTP, one file a verb: each reads options and body, executes a `Call` on the registry, encodes.

Nothing here is about a kind. What a verb does to objects is in registry/; log, exec and the like are in subresources/.
"""
