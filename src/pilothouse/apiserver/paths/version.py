"""/version: the level of the API that is served, in the form that clients parse."""

from __future__ import annotations

import platform
from collections.abc import Mapping

import msgspec

from pilothouse import __version__
from pilothouse.apiserver.http.answer import Answer
from pilothouse.apiserver.http.negotiation import JSON, check_route
from pilothouse.apiserver.http.request import Handler, Request, Response
from pilothouse.machinery import strconv
from pilothouse.machinery.meta_v1 import Info

MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


def info(level: str) -> Info:
    """Version info of a server of an API level, as `kubectl version` shows it."""
    major, minor = level.split(".")
    return Info(
        major=major,
        minor=minor,
        emulationMajor=major,
        emulationMinor=minor,
        minCompatibilityMajor=major,
        minCompatibilityMinor=str(strconv.parse_int(minor) - 1),
        gitVersion=f"v{level}.0+pilothouse-{__version__}",
        gitTreeState="clean",
        goVersion="",
        compiler=f"cpython{platform.python_version()}",
        platform=f"linux/{MACHINES.get(platform.machine(), platform.machine())}",
    )


def paths() -> Mapping[str, Handler]:
    """Handler of `/version`, by path."""

    async def serve(request: Request) -> Response:
        check_route(request.header("Accept"), served=(JSON,))
        return Answer(200, msgspec.json.format(msgspec.json.encode(info(request.api.registry.catalogue.level)), indent=2))

    return {"/version": serve, "/version/": serve}
