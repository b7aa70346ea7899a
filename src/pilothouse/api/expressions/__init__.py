"""Where built-in kinds hold CEL expressions: their variables and types, what is said of one that does not compile.

The files of kinds import this room when there is an expression to judge, and discovery of kinds passes it by: loading the expression
language takes longer than all else that a small cluster needs to start.
"""
