"""When the node runs short of memory or disk: the pressure is told, and pods are ended until it is over."""
