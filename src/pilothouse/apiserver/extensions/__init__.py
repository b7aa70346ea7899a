"""Custom resources: serving the kinds of CustomResourceDefinitions.

- `naming`, `kinds`, `columns`, `conversion` are pure: from definitions to names, conditions and `Resource`s.
- `definitions` is the shell: it follows the definitions, keeps the catalogue and their conditions up to date.
- `cleanup` removes the instances of a definition that is being deleted.
"""
