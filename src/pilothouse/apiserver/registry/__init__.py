"""The generic registry: what happens to every object of every kind between a request and the store.

registry.py executes a `Call` of a `User` and returns committed entries. One file a verb; store.py is what the
verbs share; strategy.py the rules of all kinds; subresources/ one file each, found by discovery.
"""
