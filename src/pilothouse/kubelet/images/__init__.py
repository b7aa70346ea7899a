"""Images of the node: pulling, and garbage collection."""
