"""Checks of the admission plugin NodeRestriction, by resource.

Each check takes (request, world, node), and raises the refusal in upstream's words.
"""
