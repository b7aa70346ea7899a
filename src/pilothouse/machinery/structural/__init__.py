"""Structural schemas: what the schema of a custom resource does to its objects.

In it: reading a schema (`schema`), pruning, defaults, validation with upstream's verdicts and messages (`checking` tells valid objects
fast, `explaining` tells what is wrong), formats of strings, list types, embedded resources, ratcheting of what an update does not change.
Not in it: rules on definitions themselves (api/apiextensions), CEL rules, HTTP.

    schema = StructuralSchema.of(version.schema.openAPIV3Schema)
    unknown = schema.prune(value)          # in place; paths of unknown fields
    schema.default(value)                  # in place
    schema.validate(value, problems, old)  # old: the object before an update

A value is a whole object as parsed JSON. Nothing is read or compiled before it is needed.
"""

from pilothouse.machinery.structural.structural import StructuralSchema as StructuralSchema
