"""What a client may leave out of a Pod, a file a part."""
