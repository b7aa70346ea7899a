"""The kinds of volumes: one file each, found by discovery (mounts/port.py says what a kind is)."""
