"""Warnings of writes to built-in kinds (upstream's WarningsOnCreate and WarningsOnUpdate), one file for each part."""
