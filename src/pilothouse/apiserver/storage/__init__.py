"""Storage: bytes by key with revisions and watches, behind one port (interface.py).

memory.py: in this process. sqlite.py: one file, durable. etcd.py: etcd v3, shared by several API servers. watchers.py: delivery of writes
to watches, for drivers in this process. Not here: objects (cache/), and what may be written (registry/).
"""
