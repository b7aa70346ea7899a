"""Container runtimes: the kubelet's interface (CRI), and its implementations."""
