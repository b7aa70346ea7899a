"""Pod lifecycle on the node: planner (what to do), worker (doing it), and status."""
