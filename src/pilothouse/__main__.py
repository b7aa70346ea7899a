"""`python -m pilothouse`."""

from pilothouse.cmd.pilothouse import main

main()
