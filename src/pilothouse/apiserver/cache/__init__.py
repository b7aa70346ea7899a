"""The watch cache: the newest state of every resource in memory, as objects and as bytes, and what happened lately.

entry.py: one committed object. event.py: one change. selection.py: what a list or watch is narrowed to. watch.py: one
watcher. cache.py: one resource. caches.py: all of them, fed by a single watch of the store.
"""
