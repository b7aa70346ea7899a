"""Container runtimes: the port that the kubelet speaks through, and what stands behind it."""
