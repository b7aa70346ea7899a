"""Where audit events go: modes, batches, truncation, rotated files, a webhook with back-off; and what is lost is counted."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from pilothouse.apiserver.audit import options as flags
from pilothouse.apiserver.audit.backends import BatchConfig, Buffered, TruncateConfig, Truncating
from pilothouse.apiserver.audit.event import NO_RAW, Event, ObjectReference, ResponseStatus, UserInfo, addresses_of, encoded, legacy
from pilothouse.apiserver.audit.logfile import LogFile, RotatedFile, Rotation
from pilothouse.apiserver.audit.metrics import AuditMetrics
from pilothouse.apiserver.audit.webhook import Target, Webhook
from pilothouse.kit.clock import SystemClock
from pilothouse.kit.entropy import Entropy
from pilothouse.machinery.configfile import BadConfiguration


def event(name: str, size: int = 0, level: str = "RequestResponse") -> Event:
    body = msgspec.Raw(json.dumps({"data": "x" * size}).encode()) if size else NO_RAW
    return Event("Event", "audit.k8s.io/v1", level, name, "ResponseComplete", "/api", "get", UserInfo("jane"), responseObject=body)


class Delegate:
    """Keeps batches in a list; waits until it is told to go on."""

    name = "list"

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.may = asyncio.Event()
        self.may.set()

    async def keep(self, events: Sequence[Event]) -> bool:
        await self.may.wait()
        self.batches.append([each.auditID for each in events])
        return True

    async def close(self) -> None:
        self.batches.append(["closed"])


async def test_a_batch_is_sent_when_it_is_full_or_has_waited_and_what_does_not_fit_is_counted() -> None:
    delegate, metrics = Delegate(), AuditMetrics()
    buffered = Buffered(delegate, BatchConfig(4, 3, 0.05), SystemClock(), metrics)
    running = asyncio.ensure_future(buffered.run())
    for name in "abc":
        buffered.process(event(name))
    buffered.process(event("d"))
    await asyncio.sleep(0.3)
    assert delegate.batches == [["a", "b", "c"], ["d"]]
    delegate.may.clear()
    for name in "efghijklm":
        buffered.process(event(name))
        await asyncio.sleep(0)
    assert metrics.errors["buffered"] > 0
    delegate.may.set()
    await asyncio.sleep(0.2)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert delegate.batches[-1] == ["closed"]


async def test_what_waits_is_kept_at_the_end() -> None:
    delegate = Delegate()
    buffered = Buffered(delegate, BatchConfig(100, 50, 60.0), SystemClock(), AuditMetrics())
    running = asyncio.ensure_future(buffered.run())
    await asyncio.sleep(0)
    buffered.process(event("a"))
    await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert delegate.batches in ([["a"], ["closed"]],)


async def test_batches_are_throttled() -> None:
    delegate = Delegate()
    buffered = Buffered(delegate, BatchConfig(100, 1, 0.0, True, 10.0, 2), SystemClock(), AuditMetrics())
    running = asyncio.ensure_future(buffered.run())
    for name in "abcdef":
        buffered.process(event(name))
    await asyncio.sleep(0.05)
    early = len(delegate.batches)
    await asyncio.sleep(0.6)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert early <= 3
    assert len(delegate.batches) >= 6


async def test_large_events_lose_their_bodies_and_larger_ones_are_lost() -> None:
    delegate, metrics = Delegate(), AuditMetrics()
    truncating = Truncating(delegate, TruncateConfig(True, 1000, 500), metrics)
    assert await truncating.keep([event("small"), event("large", 5000), event("x" * 600, 0), event("meta", 600, "Metadata")])
    assert delegate.batches == [["small", "large"]]
    assert metrics.errors["truncate"] == 2


async def test_a_truncated_event_says_so() -> None:
    kept: list[Event] = []

    class Keeping(Delegate):
        async def keep(self, events: Sequence[Event]) -> bool:
            kept.extend(events)
            return True

    await Truncating(Keeping(), TruncateConfig(True, 10_000, 500), AuditMetrics()).keep([event("a", 5000)])
    assert json.loads(encoded(kept[0]))["annotations"] == {"audit.k8s.io/truncated": "true"}
    assert "responseObject" not in json.loads(encoded(kept[0]))


async def test_lines_stand_in_their_order_and_the_file_is_its_owners(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "audit.log"
    log = LogFile(RotatedFile(path, Rotation(), lambda: datetime.now(UTC)), "json", AuditMetrics())
    kept = await asyncio.gather(*[log.keep([event(str(number))]) for number in range(200)])
    await log.close()
    assert all(kept)
    assert [json.loads(line)["auditID"] for line in path.read_text().splitlines()] == [str(number) for number in range(200)]
    assert path.stat().st_mode & 0o777 == 0o600


async def test_a_disk_that_fails_is_counted(tmp_path: Path) -> None:
    metrics = AuditMetrics()

    class Full:
        def write(self, lines: bytes) -> None:
            raise OSError(28, "No space left on device")

        def close(self) -> None:
            pass

    log = LogFile(Full(), "json", metrics)  # type: ignore[arg-type]
    assert not await log.keep([event("a"), event("b")])
    assert metrics.errors["log"] == 2
    await log.close()


@pytest.mark.parametrize("compresses", [False, True])
def test_files_are_rotated_kept_by_number_and_by_age(tmp_path: Path, compresses: bool) -> None:
    now = [datetime(2026, 12, 1, tzinfo=UTC)]
    old = tmp_path / "audit-2020-01-01T00-00-00.000.log"
    old.write_text("old")
    (tmp_path / "other-2020-01-01T00-00-00.000.log").write_text("another's")
    file = RotatedFile(tmp_path / "audit.log", Rotation(1, 30, 2, compresses), lambda: now[0])
    for _ in range(5):
        file.write(b"x" * 700_000)
        now[0] += timedelta(seconds=1)
    file.close()
    names = sorted(path.name for path in tmp_path.iterdir())
    ending = ".log.gz" if compresses else ".log"
    assert names == [
        f"audit-2026-12-01T00-00-03.000{ending}",
        f"audit-2026-12-01T00-00-04.000{ending}",
        "audit.log",
        "other-2020-01-01T00-00-00.000.log",
    ]
    if compresses:
        assert gzip.decompress((tmp_path / names[0]).read_bytes()) == b"x" * 700_000
    assert all(path.stat().st_mode & 0o077 == 0 for path in tmp_path.glob("audit-2026*"))


async def test_a_webhook_gets_lists_and_is_tried_again(tmp_path: Path) -> None:
    bodies: list[Any] = []
    answers = [500, 503, 200]

    async def take(request: web.Request) -> web.Response:
        bodies.append((request.headers.get("Authorization"), await request.json()))
        return web.Response(status=answers.pop(0) if answers else 200)

    application = web.Application()
    application.router.add_post("/audit", take)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    config = {
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}/audit"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    (tmp_path / "config").write_text(json.dumps(config))
    metrics = AuditMetrics()
    webhook = Webhook(Target(tmp_path / "config"), SystemClock(), Entropy(1), metrics, 0.01)
    assert await webhook.keep([event("a"), event("b")])
    assert len(bodies) == 3
    authorization, body = bodies[-1]
    assert authorization == "Bearer t"
    assert (body["kind"], body["apiVersion"], [item["auditID"] for item in body["items"]]) == ("EventList", "audit.k8s.io/v1", ["a", "b"])
    answers += [500] * 10
    assert not await webhook.keep([event("c")])
    assert len(bodies) == 3 + 5
    assert metrics.errors["webhook"] == 1
    await webhook.close()
    await runner.cleanup()


def test_a_webhooks_file_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("current-context: x")
    with pytest.raises(BadConfiguration, match="initializing audit webhook"):
        Target(tmp_path / "config")


@pytest.mark.parametrize(
    ("given", "problems"),
    [
        ({}, []),
        ({"audit-log-path": "-"}, []),
        ({"audit-log-mode": "x"}, []),
        ({"audit-log-path": "-", "audit-log-mode": "x"}, ['invalid audit log mode x, allowed modes are "batch,blocking,blocking-strict"']),
        (
            {"audit-log-path": "-", "audit-log-mode": "batch", "audit-log-batch-buffer-size": "-1"},
            ["invalid audit batch log buffer size -1, must be a positive number"],
        ),
        ({"audit-log-path": "-", "audit-log-format": "xml"}, ['invalid audit log format xml, allowed formats are "legacy,json"']),
        ({"audit-log-path": "-", "audit-log-maxage": "-1"}, ["--audit-log-maxage -1 can't be a negative number"]),
        ({"audit-log-path": "-", "audit-log-version": "v1"}, ['invalid group version, allowed versions are [{"audit.k8s.io" "v1"}]']),
        (
            {"audit-webhook-config-file": "x", "audit-webhook-batch-throttle-qps": "-2"},
            ["invalid audit batch webhook throttle QPS -2, must be a positive number"],
        ),
        (
            {"audit-webhook-config-file": "x", "audit-webhook-truncate-max-event-size": "-2"},
            ["invalid audit truncate webhook max event size -2, must be a positive number"],
        ),
    ],
)
def test_flags_are_judged_in_upstreams_words(given: dict[str, str], problems: list[str]) -> None:
    assert flags.AuditOptions(given).problems() == problems


@pytest.mark.parametrize(
    ("forwarded", "real", "remote", "expected"),
    [
        ("", "", "127.0.0.1", ["127.0.0.1"]),
        ("1.2.3.4, 10.0.0.1, nonsense", "5.6.7.8", "127.0.0.1", ["1.2.3.4", "10.0.0.1", "5.6.7.8", "127.0.0.1"]),
        ("1.2.3.4", "1.2.3.4", "127.0.0.1", ["1.2.3.4", "127.0.0.1"]),
        ("127.0.0.1", "", "127.0.0.1", ["127.0.0.1"]),
        ("", "::ffff:1.2.3.4", "::1", ["1.2.3.4", "::1"]),
        ("", "", "", []),
    ],
)
def test_where_a_request_comes_from(forwarded: str, real: str, remote: str, expected: list[str]) -> None:
    assert addresses_of(forwarded, real, remote) == expected


def test_the_legacy_line() -> None:
    made = Event(level="Metadata", auditID="1", stage="ResponseComplete", requestURI="/api/v1/pods", verb="list", sourceIPs=["1.2.3.4"])
    made.user, made.userAgent, made.objectRef = UserInfo("jane", groups=["a", "b"]), "k", ObjectReference("pods", "shop")
    made.responseStatus, made.requestReceivedTimestamp = ResponseStatus(code=200), "2026-12-01T17:49:08.480000Z"
    assert legacy(made).decode() == (
        '2026-12-01T17:49:08.48Z AUDIT: id="1" stage="ResponseComplete" ip="1.2.3.4" method="list" user="jane" groups="\\"a\\",\\"b\\"" '
        'as="<self>" asgroups="<lookup>" user-agent="k" namespace="shop" uri="/api/v1/pods" response="200"'
    )
