"""Pods on this node: what to do next (planner), who does it (worker), and what is told of it (status)."""
