"""Probes: asking containers how they are, when, and what their answers mean."""
