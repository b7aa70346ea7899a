"""Patches: one file a kind of patch, each with `apply(current, patch, type) -> dict`, and `change` that works on `current` itself.

- `apply` never changes `current`; the result shares nothing that a caller could change through it.
- What is wrong with a patch is a StatusError in upstream's words.
- `outcome.object_of` makes the typed object of a patched dict, or says why it is none.
"""
