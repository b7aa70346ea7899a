"""/healthz, /livez, /readyz: `ok`, or with `?verbose` every check by name; `/livez/<check>` asks one alone.

A check is a function that says what is wrong, or nothing. `?exclude=<check>` leaves one out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pilothouse.apiserver.http.answer import Answer
from pilothouse.apiserver.http.refusals import no_such_resource
from pilothouse.apiserver.http.request import Handler, Request, Response

Checks = Mapping[str, Callable[[], str]]
TEXT = "text/plain; charset=utf-8"


def paths(live: Checks, ready: Checks) -> Mapping[str, Handler]:
    found: dict[str, Handler] = {}
    for name, checks in (("healthz", live), ("livez", live), ("readyz", ready)):
        serve = endpoint(name, checks)
        found |= {f"/{name}": serve, f"/{name}/*": serve}
    return found


def endpoint(name: str, checks: Checks) -> Handler:
    async def serve(request: Request) -> Response:
        single = request.info.path.removeprefix(f"/{name}").strip("/")
        if single:
            if single not in checks:
                raise no_such_resource()
            return report(name, {single: checks[single]}, (), verbose="verbose" in request.query, single=single)
        return report(name, checks, tuple(request.query.get("exclude", ())), verbose="verbose" in request.query)

    return serve


def report(name: str, checks: Checks, excluded: tuple[str, ...], *, verbose: bool, single: str = "") -> Answer:
    """Upstream's text: one line a check when something is wrong or `verbose` is asked for, `ok` otherwise."""
    lines, failed = [], False
    for check, ask in checks.items():
        if check in excluded:
            lines.append(f"[+]{check} excluded: ok")
        elif problem := ask():
            failed = True
            lines.append(f"[-]{check} failed: reason withheld")
        else:
            lines.append(f"[+]{check} ok")
    if failed:
        if single:
            return Answer(500, b"internal server error: " + problem.encode() + b"\n", TEXT)
        return Answer(500, "\n".join([*lines, f"{name} check failed\n"]).encode(), TEXT)
    if not verbose:
        return Answer(200, b"ok", TEXT)
    return Answer(200, "\n".join([*lines, f"{name} check passed\n"]).encode(), TEXT)
