"""Post-start hooks of the API server, one file each.

A hook names the kinds whose changes wake it and reconciles all of its objects at once (`hook.py`); registry.py runs every hook.
"""
