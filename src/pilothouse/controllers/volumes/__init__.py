"""Volumes and the claims to them: which goes with which, and what holds either in place."""
