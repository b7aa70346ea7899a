"""Who depends on whom, over all kinds: the garbage collector's memory and decisions, without its I/O."""
