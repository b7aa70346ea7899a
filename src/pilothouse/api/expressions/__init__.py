"""CEL expressions in built-in kinds: variables, types, and compile errors.

The files of kinds import this room when there is an expression to judge, and discovery of kinds passes it by: loading the expression
language takes longer than all else that a small cluster needs to start.
"""
