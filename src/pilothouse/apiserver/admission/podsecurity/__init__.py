"""The Pod Security Standards: which policy a namespace asks for (policy.py) and what breaks it (baseline.py, restricted.py).

All of it pure; who asks when, and what is told, is the plugin's: admission/plugins/podsecurity.py.
"""
