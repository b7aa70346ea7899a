"""/logs/: the machine's log files, as Go's file server shows a directory.

- A folder is a page of links, a folder without a slash at its end a redirect; a file is sent as it is.
- Nothing outside of the folder is shown, also not through symbolic links. Reading runs in a thread: a disk may hang.
"""

from __future__ import annotations

import asyncio
import html
from pathlib import Path
from urllib.parse import quote

from aiohttp import web

PREFIX = "/logs"
FOLDER = Path("/var/log")
LISTED_LIMIT = 10_000
"""Entries of a folder that are listed at the most."""
NOT_FOUND = "404 page not found\n"


async def system_logs(request: web.BaseRequest, parts: tuple[str, ...], folder: Path = FOLDER) -> web.StreamResponse:
    """Directory listing or file at `parts` below the folder."""
    path = await asyncio.to_thread(inside, folder, parts)
    if path is None:
        return web.Response(status=404, text=NOT_FOUND)
    if await asyncio.to_thread(path.is_file):
        return web.FileResponse(path)
    if not request.rel_url.raw_path.endswith("/"):
        return web.Response(status=301, headers={"Location": quote(path.name if parts else PREFIX[1:]) + "/"})
    page = await asyncio.to_thread(_page, path)
    return web.Response(text=page, content_type="text/html", charset="utf-8")


def inside(folder: Path, parts: tuple[str, ...]) -> Path | None:
    """The file or directory; None when it does not exist or is outside of the folder."""
    base = folder.resolve()
    try:
        path = base.joinpath(*parts).resolve(strict=True)
    except (OSError, ValueError, RuntimeError):
        return None
    is_shown = path.is_relative_to(base) and (path.is_file() or path.is_dir())
    return path if is_shown else None


def _page(folder: Path) -> str:
    """The entries of a folder in the order of their names, folders with a slash."""
    names = sorted(f"{entry.name}/" if entry.is_dir() else entry.name for entry in folder.iterdir())[:LISTED_LIMIT]
    lines = [f'<a href="{quote(name)}">{html.escape(name)}</a>\n' for name in names]
    return f'<!doctype html>\n<meta name="viewport" content="width=device-width">\n<pre>\n{"".join(lines)}</pre>\n'
