"""Requests for certificates: who signs which, and what a signed one says."""
