"""Shared by streaming subresources: finding kubelets, WebSocket to clients and SPDY to kubelets.

- kubelets.py: where a pod's kubelet answers, and which container is meant. relay.py: SPDY clients, piped as they are.
- remote_command.py: exec and attach of WebSocket clients. port_channels.py, tunnel.py: their port-forwards.
- forward.py: HTTP requests passed on to pods, services and nodes.
"""
