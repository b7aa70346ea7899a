"""Generic registry: everything between a request and the store, for objects of every kind.

registry.py executes a `Call` of a `User` and returns committed entries. One file a verb; store.py is what the
verbs share; strategy.py the rules of all kinds; subresources/ one file each, found by discovery.
"""
