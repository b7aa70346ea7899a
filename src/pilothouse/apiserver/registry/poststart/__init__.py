"""What an API server keeps as it should be while it runs: upstream's post-start hooks, one file each.

A hook names the kinds whose changes wake it and reconciles all of its objects at once (`hook.py`); registry.py runs every hook.
"""
