"""What every controller shares: a pure plan from a snapshot (`Controller`, `World`, actions) and the one executor of plans.

The way of a key: watch -> queue -> `World` -> `plan` -> `Executor` -> expectations, until the caches show what was done.
"""
