"""Basics of every component without Kubernetes in them: time, randomness, tasks, logs, discovery of plugins.

- clock.py, virtual_clock.py, running_clock.py: time as a dependency: the machine's, one that stands still, one that can be advanced.
- entropy.py: randomness and identifiers as a dependency.
- component.py, restarts.py: an object with `async run()`, and how it is started again with back-off.
- blocking.py, offload.py: work that would block the event loop, in threads.
- logs.py: the form of log lines. plugins.py: modules of a folder. remember.py: a cache with bounds for clients' texts.

Not here: anything that knows of objects, API calls or nodes. Nothing in here imports another package of pilothouse.
"""
