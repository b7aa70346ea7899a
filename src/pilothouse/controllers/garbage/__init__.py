"""Garbage collector: graph of owners and dependents, and its decisions, without I/O."""
