"""Controller framework: plans computed from a snapshot (`Controller`, `World`, actions), and the executor of all plans.

The way of a key: watch -> queue -> `World` -> `plan` -> `Executor` -> expectations, until the caches show what was done.
"""
