"""Images on this node: pulling them when containers need them, and taking away what nobody uses."""
