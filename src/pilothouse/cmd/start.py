"""Fast start of the cluster's processes: `python -m pilothouse.cmd.start control-plane --name ...`.

- Nothing that importing makes is garbage: the collector sleeps until the process has settled (cmd/process.py).
- aiohttp is imported without the machine's list of authorities. Importing it makes two contexts of TLS for callers who bring none
  of their own, and reads some hundred and forty certificates for each: 90 ms of the processor. Both processes always bring
  their own context, made from the cluster's authority; the contexts that are left without authorities trust nobody.
"""

from __future__ import annotations

import gc
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

MODULES = {
    "control-plane": "pilothouse.cmd.controlplane",
    "node-agent": "pilothouse.cmd.nodeagent",
    "supervisor": "pilothouse.cmd.supervisor",
}


@contextmanager
def without_authorities() -> Iterator[None]:
    """Make TLS contexts without the machine's CAs while the block runs."""
    kept = ssl.SSLContext.load_default_certs
    ssl.SSLContext.load_default_certs = nothing  # type: ignore[method-assign]
    ssl.SSLContext.set_default_verify_paths = nothing  # type: ignore[method-assign]  # hides the one that is inherited
    try:
        yield
    finally:
        ssl.SSLContext.load_default_certs = kept  # type: ignore[method-assign]
        del ssl.SSLContext.set_default_verify_paths


def nothing(*arguments: object, **settings: object) -> None:
    """Replacement for a method that does nothing."""


def import_aiohttp() -> None:
    """Import aiohttp without reading the system's certificate authorities, which takes long."""
    with without_authorities():
        import aiohttp

    del aiohttp


def main() -> None:
    """Entry point of all processes: the first argument says which."""
    gc.disable()
    name = sys.argv.pop(1)
    if name == "control-plane":
        import_aiohttp()
    import_module(MODULES[name]).main()


if __name__ == "__main__":
    main()
