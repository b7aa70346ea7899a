"""Controllers, one file each, found by discovery; none imports another.

A file holds a subclass of `Controller` with its name, the kinds that it reconciles and watches, its RBAC rules and its `plan`. What several
controllers share, and arithmetic that fills more than a page, is in the folders beside this one.
"""
