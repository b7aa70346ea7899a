"""Odd requests as raw bytes, and what a kube-apiserver 1.37 answers to them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pilothouse.apiserver.auth.user import ADMIN
from tests.unit.apiserver.http.test_fuzz_requests import answered
from tests.unit.apiserver.serving import Served, serving_in_thread

MAPS = "/api/v1/namespaces/default/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
ROLES = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles"
ROLE = '{"metadata":{"name":"a","uid":"x"}}'
VERSION = "GET /version HTTP/1.1\r\nHost: x\r\n"
JSON = "Content-Type: application/json\r\n"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving_in_thread(tmp_path_factory.mktemp("hostile"), tls=False, user=ADMIN) as one:
        yield one


def get(path: str) -> str:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"


def post(body: str, headers: str = JSON, query: str = "", path: str = MAPS, method: str = "POST") -> str:
    return f"{method} {path}{query} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {len(body.encode('latin-1'))}\r\n\r\n{body}"


@pytest.mark.parametrize(
    ("request_", "code", "text"),
    [
        # Paths.
        (get(f"{MAPS}/.."), 400, "Name parameter invalid: \\\"..\\\": may not be '..'"),
        (get(f"{MAPS}/%2e%2e"), 400, "may not be '..'"),
        (get(f"{MAPS}/a%25b"), 400, "may not contain '%'"),
        (get(f"{MAPS}/%zz"), 400, "invalid URL escape"),
        (get(f"{MAPS}/a%00b"), 404, 'configmaps \\"a\\\\x00b\\" not found'),
        (get(f"{MAPS}/{'a' * 60000}"), 404, "not found"),
        (get("/api/v1//namespaces/default/pods"), 404, "the server could not find the requested resource"),
        (get("*"), 400, "400 Bad Request"),
        (get(f"{MAPS}/%ff"), 404, 'configmaps \\"\\\\xff\\" not found'),
        (get(f"{MAPS}/\xe9"), 404, 'configmaps \\"\\\\xe9\\" not found'),
        (get(f"{MAPS}/a%2fb"), 404, "the server could not find the requested resource"),
        (get("/api/v1/namespaces/a%2fb/pods"), 404, "the server could not find the requested resource"),
        (get("/api/v1/namespaces/../services"), 500, 'invalid key: \\"/services/specs/..\\"'),
        (get("/apis/networking.k8s.io/v1/namespaces/%2e/ingresses/x"), 500, 'invalid key: \\"/ingress/./x\\"'),
        (post("{}", path="/api/v1/namespaces/../configmaps"), 500, "invalid resource name \\\"..\\\": [may not be '..']"),
        *((get(path), 404, "404 page not found\n") for path in ("/x", "/apis/x", "/apis/x/v1/y", "/healthz/", "/healthz/x", "/logs")),
        *((get(path), 404, "could not find the requested resource") for path in ("/api/v1/x", "/apis/apps/v9", "/version/x")),
        (get("/openapi/v3/"), 404, "Content-Length: 0"),
        (get("/openapi/v3/x"), 404, "Content-Length: 0"),
        # Methods.
        *((f"{method} {MAPS} HTTP/1.1\r\nHost: x\r\n\r\n", 405, "does not allow this method") for method in ("BREW", "get", "X-Y")),
        *((f"{method} /version HTTP/1.1\r\nHost: x\r\n\r\n", 405, "") for method in ("HEAD", "POST", "BREW")),
        *((f"BREW {path} HTTP/1.1\r\nHost: x\r\n\r\n", 200, "") for path in ("/", "/apis", "/apis/apps", "/healthz/ping", "/apis/")),
        ("BREW /x HTTP/1.1\r\nHost: x\r\n\r\n", 404, "404 page not found"),
        ("GE(T /x HTTP/1.1\r\nHost: x\r\n\r\n", 400, "400 Bad Request"),
        (get("version"), 400, "400 Bad Request"),
        # Queries.
        (get(f"{MAPS}?limit="), 400, 'strconv.ParseInt: parsing \\"\\": invalid syntax'),
        (get(f"{MAPS}?limit=1_0"), 400, 'strconv.ParseInt: parsing \\"1_0\\": invalid syntax'),
        (get(f"{MAPS}?limit=%D9%A1"), 400, 'strconv.ParseInt: parsing \\"\u0661\\": invalid syntax'),
        (get(f"{MAPS}?limit=%2B1"), 200, "ConfigMapList"),
        (get(f"{MAPS}?limit={'9' * 5000}"), 400, "value out of range"),
        (get(f"{MAPS}?limit=x&limit=1"), 400, 'strconv.ParseInt: parsing \\"x\\"'),
        (get(f"{MAPS}?limit=1&limit=x"), 200, "ConfigMapList"),
        (get(f"{MAPS}?limit=1;b=2"), 200, "ConfigMapList"),
        (get(f"{MAPS}?limit=%zz"), 200, "ConfigMapList"),
        (get(f"{MAPS}?resourceVersion=%D9%A1"), 400, 'strconv.ParseUint: parsing \\"\u0661\\": invalid syntax'),
        (get(f"{MAPS}?resourceVersion=%2B1"), 400, 'strconv.ParseUint: parsing \\"+1\\": invalid syntax'),
        (get(f"{MAPS}?resourceVersion=18446744073709551616"), 400, "value out of range"),
        (get(f"{MAPS}?watch&timeoutSeconds=1"), 200, "Transfer-Encoding: chunked"),
        (get(f"{MAPS}?timeout=%D9%A1s"), 400, "invalid timeout specified in the request URL"),
        # Heads.
        (f"{VERSION}Expect: junk\r\n\r\n", 417, ""),
        *(
            (f"GET /version HTTP/1.1\r\nHost: {host}\r\n\r\n", 400, "400 Bad Request: malformed Host header")
            for host in ("a b", "a/b", "\xe9", "{")
        ),
        *((f"GET /version HTTP/1.1\r\nHost: {host}\r\n\r\n", 200, "gitVersion") for host in ("", "[::1]:80", "a%zz", "*", "x:")),
        *(
            (f"{VERSION}Transfer-Encoding: {coding}\r\n\r\n", 501, "\r\n\r\nUnsupported transfer encoding")
            for coding in ("junk", "gzip, chunked", "chunked, gzip", "identity", "", "chunked\r\nTransfer-Encoding: chunked")
        ),
        (f"{VERSION}Accept: application/yaml\r\n\r\n", 406, "Available representations: application/json\n"),
        *(
            (f"GET {MAPS}/x HTTP/1.1\r\nHost: x\r\nAccept: {media}\r\n\r\n", 406, "406: Not Acceptable")
            for media in ("junk", "application/*", "*")
        ),
        ("GET /api/v1 HTTP/1.1\r\nHost: x\r\nAccept: junk\r\n\r\n", 406, "406: Not Acceptable"),
        ("GET /openapi/v2 HTTP/1.1\r\nHost: x\r\nAccept: junk\r\n\r\n", 406, "Content-Length: 0"),
        (post("{}", "Content-Type: application/json;;\r\n"), 415, "the body of the request was in an unknown format"),
        (post("{}", "Content-Type: application/json; charset=latin-1;\r\n"), 422, "name or generateName is required"),
        (post("{}", method="PATCH", path=f"{MAPS}/x"), 415, '"message":"415: Unsupported Media Type"'),
        (f"{VERSION}X-A : b\r\n\r\n", 400, "400 Bad Request"),
        (f"{VERSION}X-A: a\0b\r\n\r\n", 400, "400 Bad Request"),
        (f"{VERSION}junk\r\n\r\n", 400, "400 Bad Request"),
        (f"{VERSION}Host: y\r\n\r\n", 400, "400 Bad Request"),
        ("GET /version HTTP/1.1\r\n\r\n", 400, "400 Bad Request"),
        ("GET /version HTTP/2.0\r\nHost: x\r\n\r\n", 505, "505 HTTP Version Not Supported: unsupported protocol version"),
        ("EHLO x\r\n", 400, "400 Bad Request"),
        (f"{VERSION}\r\n{VERSION}\r\n", 200, "gitVersion"),
        # Bodies.
        (post("null"), 422, "name or generateName is required"),
        (post('{"kind":"Status"}'), 400, "converting (v1.Status) to (core.ConfigMap): unknown conversion"),
        (post('{"kind":"DeleteOptions"}'), 400, "converting (v1.DeleteOptions) to (core.ConfigMap): unknown conversion"),
        (post('{"kind":"Foo","apiVersion":"/v1"}'), 400, 'no kind \\"Foo\\" is registered for version \\"v1\\" in scheme'),
        (post('{"apiVersion":"/v1"}'), 422, "name or generateName is required"),
        (post('{"apiVersion":"x/y/z"}'), 400, "(must be of type ConfigMap): unexpected GroupVersion string: x/y/z ({"),
        (post('{"apiVersion":"apps/"}'), 400, "Object 'apiVersion' is missing in '{"),
        (post('{"kind":5}'), 400, "couldn't get version/kind; json parse error: json: cannot unmarshal number into Go struct field .kind"),
        (post('{"apiVersion":"apps/v1beta1"}', path=DEPLOYMENTS), 400, "(apps/v1beta1) does not match the expected API version (apps/v1)"),
        (post('{"apiVersion":"apps/"}', path=DEPLOYMENTS), 422, "name or generateName is required"),
        (post('{"kind":"Foo","apiVersion":"apps/"}', path=DEPLOYMENTS), 400, 'is registered for version \\"apps/v1\\" in scheme'),
        (post(ROLE, method="PUT", path=f"{ROLES}/a"), 409, "Key: /registry/roles/default/a, ResourceVersion: 0"),
        (post(ROLE, "", "?dryRun=All", f"{ROLES}/a", "PUT"), 409, "Key: /roles/default/a, ResourceVersion: 0"),
        (post("[]"), 400, "json: cannot unmarshal array into Go value"),
        (post('{"metadata":{"name":"\xff"}}'), 422, "metadata.name: Invalid value"),
        (post("\x1f\x8b\x08"), 400, "invalid character '\\\\x1f' looking for beginning of value"),
        (post('{"metadata":{"name":"x","generation":' + "9" * 5000 + "}}"), 400, "json: cannot unmarshal number"),
        (post('{"metadata":{"name":"a\\u0000b"}}'), 422, 'ConfigMap \\"a\\\\x00b\\" is invalid'),
        (post("a: b: c", "Content-Type: application/yaml\r\n"), 400, "(must be of type ConfigMap): yaml: mapping values are not allowed"),
        (post("{}", query="?fieldValidation=x"), 422, 'supported values: \\"\\", \\"Ignore\\", \\"Strict\\", \\"Warn\\"'),
        (post("{}", query="?dryRun=x"), 422, 'dryRun: Unsupported value: [\\"x\\"]'),
        (post("{}", query="?fieldManager=a%01"), 422, "invalid character U+0001 (at position 1)"),
        (post("{}", f"{JSON}Content-Length: 5\r\n"), 400, "400 Bad Request"),
        (post("{}", f"{JSON}Transfer-Encoding: chunked\r\n"), 400, "400 Bad Request"),
        (f"POST {MAPS} HTTP/1.1\r\nHost: x\r\n{JSON}Content-Length: -1\r\n\r\n{{}}", 400, "400 Bad Request"),
        (f"POST {MAPS} HTTP/1.1\r\nHost: x\r\n{JSON}Content-Length: 9999999\r\n\r\n{{}}", 413, "limit is 3145728"),
    ],
)
async def test_odd_requests_are_answered_as_upstream_answers_them(served: Served, request_: str, code: int, text: str) -> None:
    answer = (await answered(served.server.port, request_.encode("latin-1"))).decode(errors="replace")
    assert answer.startswith(f"HTTP/1.1 {code} "), answer
    assert text in answer
