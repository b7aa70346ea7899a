"""One file a subresource: a View or an Action at module level, found by discovery (registry/subresource.py)."""
