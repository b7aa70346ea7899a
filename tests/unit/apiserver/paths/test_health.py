"""Health checks: names, texts, and that each looks at what it is named after."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from pilothouse.apiserver.paths.health import Counts, report
from pilothouse.apiserver.storage.interface import StorageFailed
from tests.unit.apiserver.serving import Caller, Served, calling_served

GOOD = {"ping": "", "etcd": ""}
BAD = {"ping": "", "etcd": "no disk"}


@pytest.fixture
async def both(folder: Path) -> AsyncIterator[tuple[Served, Caller]]:
    async with calling_served(folder) as made:
        yield made


@pytest.mark.parametrize(
    ("found", "excluded", "verbose", "status", "text"),
    [
        pytest.param(GOOD, set(), False, 200, "ok", id="all is well"),
        pytest.param(GOOD, set(), True, 200, "[+]ping ok\n[+]etcd ok\nreadyz check passed\n", id="check by check"),
        pytest.param(BAD, set(), False, 500, "[+]ping ok\n[-]etcd failed: reason withheld\nreadyz check failed\n", id="one fails"),
        pytest.param(
            {"ping": "", "etcd": ""}, {"etcd"}, True, 200, "[+]ping ok\n[+]etcd excluded: ok\nreadyz check passed\n", id="left out"
        ),
        pytest.param(
            GOOD,
            {"x", "a"},
            True,
            200,
            '[+]ping ok\n[+]etcd ok\nwarn: some health checks cannot be excluded: no matches for "a", "x"\nreadyz check passed\n',
            id="nothing of that name is left out",
        ),
        pytest.param(GOOD, {"x"}, False, 200, "ok", id="and nobody is told without verbose"),
    ],
)
def test_the_text(found: dict[str, str], excluded: set[str], verbose: bool, status: int, text: str) -> None:
    answer = report("readyz", found, excluded, verbose=verbose)
    assert (answer.status, answer.body.decode()) == (status, text)


def test_the_gauges() -> None:
    counts = Counts()
    assert counts.exposition() == ""
    counts.note("readyz", GOOD)
    counts.note("readyz", BAD)
    lines = counts.exposition().splitlines()
    assert 'kubernetes_healthcheck{name="etcd",type="readyz"} 0' in lines
    assert 'kubernetes_healthchecks_total{name="etcd",status="error",type="readyz"} 1' in lines
    assert 'kubernetes_healthchecks_total{name="ping",status="success",type="readyz"} 2' in lines


async def test_every_check_of_upstream_is_there(both: tuple[Served, Caller]) -> None:
    _, call = both
    names = {
        path: [line[3:-3] for line in (await call("GET", f"{path}?verbose")).body.decode().splitlines()[:-1]]
        for path in ("/livez", "/readyz")
    }
    hooks = [name for name in names["/livez"] if name.startswith("poststarthook/")]
    assert len(hooks) == 29
    assert names["/livez"][:4] == ["ping", "log", "loopback-serving-certificate", "etcd"]
    assert names["/readyz"][:5] == ["ping", "log", "etcd", "etcd-readiness", "informer-sync"]
    assert names["/readyz"][-1] == "shutdown"
    for name in names["/readyz"]:
        assert (await call("GET", f"/readyz/{name}")).body == b"ok", name
    assert b'kubernetes_healthcheck{name="informer-sync",type="readyz"} 1' in (await call("GET", "/metrics/slis")).body


@pytest.mark.parametrize(
    ("breaks", "fails", "stands"),
    [
        pytest.param("store", ["etcd", "poststarthook/storage-readiness"], ["ping", "poststarthook/bootstrap-controller"], id="the store"),
        pytest.param("caches", ["informer-sync", "poststarthook/crd-informer-synced"], ["etcd"], id="the caches"),
        pytest.param("hooks", ["poststarthook/bootstrap-controller", "poststarthook/rbac/bootstrap-roles"], ["etcd"], id="the hooks"),
    ],
)
async def test_a_check_looks(
    both: tuple[Served, Caller], monkeypatch: pytest.MonkeyPatch, breaks: str, fails: list[str], stands: list[str]
) -> None:
    served, call = both

    async def broken(*_: Any) -> Any:
        raise StorageFailed("disk I/O error")

    async def far_ahead() -> int:
        return 1 << 40

    if breaks == "store":
        monkeypatch.setattr(served.registry.store.storage, "get", broken)
    elif breaks == "caches":
        monkeypatch.setattr(served.registry.store.storage, "revision", far_ahead)
        monkeypatch.setattr("pilothouse.apiserver.paths.checks.CHECK_SECONDS", 0.01)
    else:
        served.registry.started.clear()
    for name in fails:
        assert (await call("GET", f"/readyz/{name}")).status == 500, name
    for name in stands:
        assert (await call("GET", f"/readyz/{name}")).status == 200, name
    whole = await call("GET", "/readyz")
    assert whole.status == 500
    assert f"[-]{fails[0]} failed: reason withheld" in whole.body.decode()


@pytest.mark.parametrize(
    ("path", "text"),
    [
        pytest.param("/livez/nothing", True, id="no such check"),
        pytest.param("/nowhere", True, id="no such path"),
        pytest.param("/apis/nobody.example/v1", True, id="no such group"),
        pytest.param("/apis/nobody.example/v1/things", True, id="a kind of no group"),
        pytest.param("/api/v1/things", False, id="no such kind"),
        pytest.param("/apis/apps/v9/things", False, id="no such version"),
        pytest.param("/apis/apps/v9", False, id="no document of a version"),
        pytest.param("/api/v1/namespaces/default/configmaps/a/things", False, id="no such subresource"),
    ],
)
async def test_what_is_not_there(both: tuple[Served, Caller], path: str, text: bool) -> None:
    _, call = both
    answer = await call("GET", path)
    assert answer.status == 404
    if text:
        assert (answer.body, answer.headers["Content-Type"]) == (b"404 page not found\n", "text/plain; charset=utf-8")
    else:
        assert answer.json()["details"] == {}


async def test_where_the_keys_of_tokens_are(both: tuple[Served, Caller]) -> None:
    _, call = both
    document = (await call("GET", "/.well-known/openid-configuration")).json()
    assert document["jwks_uri"] == f"{document['issuer']}/openid/v1/jwks"
    assert (await call("GET", "/openid/v1/jwks", Accept="application/json")).status == 406
    assert (await call("GET", "/openid/v1/jwks", Accept="application/json,*/*;q=0.1")).json()["keys"]
