"""libnftables through ctypes: runs nft commands in this process, each call one transaction.

The namespace is the calling thread's at the time of the call.
"""

from __future__ import annotations

import ctypes
import ctypes.util

from pilothouse.proxy.backends.interface import BackendError

LIBRARY = "libnftables.so.1"
MESSAGE_LIMIT = 2000


class LibNftables:
    """A libnftables context; used by one thread at a time."""

    def __init__(self) -> None:
        try:
            self._library = ctypes.CDLL(LIBRARY)
        except OSError as error:
            raise BackendError(f"{LIBRARY} is missing: install nftables") from error
        self._library.nft_ctx_new.restype = ctypes.c_void_p
        self._library.nft_ctx_get_error_buffer.restype = ctypes.c_char_p
        self._library.nft_ctx_get_output_buffer.restype = ctypes.c_char_p
        self._context: ctypes.c_void_p | None = None

    def run(self, commands: str) -> str:
        """Run commands as one transaction; gives what they print. BackendError when the kernel refuses: then nothing has changed."""
        context = self._open()
        if self._library.nft_run_cmd_from_buffer(context, commands.encode()):
            message = (self._library.nft_ctx_get_error_buffer(context) or b"").decode(errors="replace")
            raise BackendError(message.strip()[:MESSAGE_LIMIT] or "nftables refused without a word")
        return (self._library.nft_ctx_get_output_buffer(context) or b"").decode()

    def close(self) -> None:
        """Free the context; calling it again does nothing."""
        if self._context is not None:
            self._library.nft_ctx_free(self._context)
            self._context = None

    def _open(self) -> ctypes.c_void_p:
        if self._context is None:
            context = ctypes.c_void_p(self._library.nft_ctx_new(0))
            if not context:
                raise BackendError("no nftables context: out of memory")
            self._library.nft_ctx_buffer_output(context)
            self._library.nft_ctx_buffer_error(context)
            self._context = context
        return self._context
