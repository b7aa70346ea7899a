"""Connections that carry streams: exec, attach and port-forward between clients, API server, kubelet and runtime.

- duplex.py: a connection as read, write, close; piping two together.
- spdy_frames.py, spdy.py: SPDY/3.1, which kubectl before 1.31 and CRI streaming servers speak.
- channels.py: the WebSocket channel protocols, which everybody else speaks.
- upgrade.py: asking a server for another protocol; hijack.py: taking a connection over from aiohttp's server.
"""
