"""What a request is about, by method and path."""

from __future__ import annotations

import pytest

from pilothouse.apiserver.http.request_info import RequestInfo, parse


def info(
    verb: str, group: str, version: str, namespace: str, plural: str, name: str = "", sub: str = "", subpath: str = ""
) -> tuple[str, ...]:
    return (verb, group, version, namespace, plural, name, sub, subpath)


def seen(found: RequestInfo) -> tuple[str, ...]:
    assert found.is_resource
    return info(found.verb, found.group, found.version, found.namespace, found.plural, found.name, found.subresource, found.subpath)


@pytest.mark.parametrize(
    ("method", "path", "watching", "expected"),
    [
        pytest.param("GET", "/api/v1/pods", False, info("list", "", "v1", "", "pods"), id="list of all namespaces"),
        pytest.param("GET", "/api/v1/namespaces/a/pods", False, info("list", "", "v1", "a", "pods"), id="list of a namespace"),
        pytest.param("GET", "/api/v1/namespaces/a/pods", True, info("watch", "", "v1", "a", "pods"), id="watch by query"),
        pytest.param("GET", "/api/v1/watch/namespaces/a/pods/b", False, info("watch", "", "v1", "a", "pods", "b"), id="watch by path"),
        pytest.param("GET", "/api/v1/namespaces/a/pods/b", True, info("get", "", "v1", "a", "pods", "b"), id="get, whatever the query"),
        pytest.param("GET", "/api/v1/namespaces/a/pods/b", False, info("get", "", "v1", "a", "pods", "b"), id="get"),
        pytest.param(
            "POST", "/apis/apps/v1/namespaces/a/deployments", False, info("create", "apps", "v1", "a", "deployments"), id="create"
        ),
        pytest.param(
            "PUT",
            "/apis/apps/v1/namespaces/a/deployments/b/scale",
            False,
            info("update", "apps", "v1", "a", "deployments", "b", "scale"),
            id="subresource",
        ),
        pytest.param(
            "DELETE", "/api/v1/namespaces/a/pods", False, info("deletecollection", "", "v1", "a", "pods"), id="delete of a collection"
        ),
        pytest.param("DELETE", "/api/v1/nodes/n", False, info("delete", "", "v1", "", "nodes", "n"), id="delete of one"),
        pytest.param("GET", "/api/v1/namespaces/a", False, info("get", "", "v1", "a", "namespaces", "a"), id="a namespace itself"),
        pytest.param(
            "PUT",
            "/api/v1/namespaces/a/finalize",
            False,
            info("update", "", "v1", "a", "namespaces", "a", "finalize"),
            id="subresource of a namespace",
        ),
        pytest.param("GET", "/api/v1/namespaces", False, info("list", "", "v1", "", "namespaces"), id="all namespaces"),
        pytest.param(
            "GET",
            "/api/v1/namespaces/a/pods/b/proxy/x/y/",
            False,
            info("get", "", "v1", "a", "pods", "b", "proxy", "x/y/"),
            id="proxy keeps the rest of the path",
        ),
        pytest.param(
            "GET",
            "/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Anode",
            False,
            info("get", "rbac.authorization.k8s.io", "v1", "", "clusterroles", "system:node"),
            id="escaped name",
        ),
    ],
)
def test_a_resource_request_is_read_from_its_path(method: str, path: str, watching: bool, expected: tuple[str, ...]) -> None:
    assert seen(parse(method, path, watching)) == expected


@pytest.mark.parametrize("path", ["/", "/version", "/api", "/api/v1", "/apis", "/apis/apps", "/apis/apps/v1", "/openapi/v3/api/v1"])
def test_other_paths_are_no_resource_requests(path: str) -> None:
    found = parse("GET", path, False)
    assert (found.is_resource, found.verb, found.path) == (False, "get", path)
