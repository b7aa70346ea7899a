"""/healthz, /livez, /readyz: `ok`, or with `?verbose` every check by name; `/livez/<check>` asks one alone. /metrics/slis: gauges of them.

A check is a function, or a coroutine function, that says what is wrong, or nothing. `?exclude=<check>` leaves one out.
Which checks there are, and what each looks at: checks.py.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping

from pilothouse.apiserver.http.answer import Answer
from pilothouse.apiserver.http.refusals import no_such_page
from pilothouse.apiserver.http.request import NO_SNIFFING, Handler, Request, Response

Check = Callable[[], str | Awaitable[str]]
Checks = Mapping[str, Check]
TEXT = "text/plain; charset=utf-8"
METRICS = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
HEALTHCHECK = "kubernetes_healthcheck"
HEALTHCHECKS = "kubernetes_healthchecks_total"


def paths(healthy: Checks, live: Checks, ready: Checks) -> Mapping[str, Handler]:
    """The paths of the three, and of their gauges. Each takes any method, as upstream."""
    counts = Counts()
    handlers: dict[str, Handler] = {}
    for name, checks in (("healthz", healthy), ("livez", live), ("readyz", ready)):
        serve = endpoint(name, checks, counts)
        handlers |= {f"/{name}": serve, f"/{name}/*": serve}

    async def slis(request: Request) -> Response:
        return Answer(200, counts.exposition().encode(), METRICS)

    return {**handlers, "/metrics/slis": slis}


def endpoint(name: str, checks: Checks, counts: Counts) -> Handler:
    """Handler of `/healthz`, `/livez` or `/readyz`: all checks, or the one that the path names."""

    async def serve(request: Request) -> Response:
        if request.info.path.endswith("/"):
            return no_such_page()
        single = request.info.path.removeprefix(f"/{name}").strip("/")
        if single:
            if single not in checks:
                return no_such_page()
            problem = await run_check(checks[single])
            return plain(500, f"internal server error: {problem}\n") if problem else Answer(200, b"ok", TEXT)
        excluded = set(request.query.get("exclude", ()))
        problems = {check: "" if check in excluded else await run_check(ask) for check, ask in checks.items()}
        counts.note(name, {check: problem for check, problem in problems.items() if check not in excluded})
        return report(name, problems, excluded, verbose="verbose" in request.query)

    return serve


async def run_check(check: Check) -> str:
    """Problem of a check; an exception counts as one."""
    try:
        problem = check()
        return problem if isinstance(problem, str) else await problem
    except Exception as error:
        return str(error) or type(error).__name__


def report(name: str, problems: Mapping[str, str], excluded: set[str], *, verbose: bool) -> Answer:
    """Upstream's text: one line a check when something is wrong or `verbose` is asked for, `ok` otherwise."""
    lines = [line(check, problem, check in excluded) for check, problem in problems.items()]
    if unknown := sorted(excluded - set(problems)):
        quoted = ", ".join(json.dumps(check, ensure_ascii=False) for check in unknown)
        lines.append(f"warn: some health checks cannot be excluded: no matches for {quoted}")
    if any(problems.values()):
        return plain(500, "\n".join([*lines, f"{name} check failed\n"]))
    return plain(200, "\n".join([*lines, f"{name} check passed\n"]) if verbose else "ok")


def plain(status: int, text: str) -> Answer:
    """Text that browsers take for nothing else."""
    return Answer(status, text.encode(), TEXT, [NO_SNIFFING])


def line(check: str, problem: str, excluded: bool) -> str:
    """Line of a check in the verbose output; the problems are only logged."""
    if excluded:
        return f"[+]{check} excluded: ok"
    return f"[-]{check} failed: reason withheld" if problem else f"[+]{check} ok"


class Counts:
    """Results of the checks for metrics: the last one, and the number of each."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, str], int] = {}
        self._total: dict[tuple[str, str, str], int] = {}

    def note(self, type: str, problems: Mapping[str, str]) -> None:
        """Count the results of one run; `found` maps a check to its problem, empty when it is healthy."""
        for check, problem in problems.items():
            status = "error" if problem else "success"
            self._last[check, type] = 0 if problem else 1
            self._total[check, type, status] = self._total.get((check, type, status), 0) + 1

    def exposition(self) -> str:
        """The text of /metrics/slis: empty until a check has been asked."""
        if not self._last:
            return ""
        gauges = [f'{HEALTHCHECK}{{name="{name}",type="{type}"}} {value}' for (name, type), value in sorted(self._last.items())]
        totals = [
            f'{HEALTHCHECKS}{{name="{name}",status="{status}",type="{type}"}} {count}'
            for (name, type, status), count in sorted(self._total.items())
        ]
        return "\n".join(
            (
                f"# HELP {HEALTHCHECK} [STABLE] This metric records the result of a single healthcheck.",
                f"# TYPE {HEALTHCHECK} gauge",
                *gauges,
                f"# HELP {HEALTHCHECKS} [STABLE] This metric records the results of all healthcheck.",
                f"# TYPE {HEALTHCHECKS} counter",
                *totals,
                "",
            )
        )
