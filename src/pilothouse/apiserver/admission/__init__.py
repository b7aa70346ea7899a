"""Admission: what may change or refuse a write between its decoding and its commit.

plugin.py: the port, and the order in which plugins run. plugins/: one file a plugin, found by discovery. webhooks/: admission webhooks.
policies/: validating and mutating admission policies in CEL, with expressions/ and matching/. podsecurity/: the Pod Security Standards.
"""
