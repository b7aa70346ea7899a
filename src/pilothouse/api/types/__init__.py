"""The generated structs, a module a group and version."""
