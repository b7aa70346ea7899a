"""What a client is warned of though it is allowed, a file a part: the texts of upstream's WarningsOnCreate and WarningsOnUpdate."""
