"""The arithmetic of Jobs: counting Pods that have finished, each once; indexes; when a Job has ended and how."""
