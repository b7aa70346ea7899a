"""The kubelet's own HTTPS server: logs, exec, attach, port-forward, pods, health, metrics, statistics.

- server.py: listening, who may come in, paths. logs.py: what a log line is and which are wanted (pure).
- log_files.py: reading and following log files. log_choice.py: which container's log is meant (pure).
- streams.py: piping to the runtime's streaming server. statistics.py: /stats/summary and /metrics.
"""
