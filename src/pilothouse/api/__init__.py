"""The API: the built-in kinds, one folder a group and one file a kind.

- A file defines a `Resource`: names, columns, subresources, and hooks for defaults, validation, warnings and preparation.
- types/ has the generated structs and the table of fields; fields.py reads that table. protobuf/ encodes and decodes by it.
- core/defaults, core/validation, core/warnings: rules that several kinds share, most of them of a PodSpec.
- apiextensions/: definitions of custom kinds and their schemas. expressions/: CEL in policies, webhooks and devices.
- catalogue.py gathers all kinds; wellknown.py names labels, annotations and taints.

Not here: what is done about an object (controllers/, kubelet/, scheduler/), how it is served and stored (apiserver/).
"""
