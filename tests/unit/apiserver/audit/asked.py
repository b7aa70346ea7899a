"""The requests whose audit events are compared: (name, identity, method, path, body, headers)."""

from __future__ import annotations

from typing import Any, NamedTuple

NS = "audited"
CORE, APPS = "/api/v1", "/apis/apps/v1"
IN = f"{CORE}/namespaces/{NS}"
MERGE, STRATEGIC, PATCH, APPLY = (
    f"application/{kind}" for kind in ("merge-patch+json", "strategic-merge-patch+json", "json-patch+json", "apply-patch+yaml")
)
ADMIN, JANE, NOBODY, WRONG = "admin", "jane", "", "wrong"


class Asked(NamedTuple):
    """One request."""

    name: str
    identity: str
    method: str
    path: str
    body: Any = None
    headers: dict[str, str] = {}


def obj(kind: str, name: str, version: str = "v1", **fields: Any) -> dict[str, Any]:
    metadata = {"name": name, **fields.pop("metadata", {})}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **fields}


POD = {"containers": [{"name": "c", "image": "i"}]}
PRIVILEGED = {"containers": [{"name": "c", "image": "i", "securityContext": {"privileged": True}}], "hostNetwork": True}
TEMPLATE = {"metadata": {"labels": {"a": "b"}}, "spec": POD}
DEPLOYMENT = obj("Deployment", "d", "apps/v1", spec={"replicas": 1, "selector": {"matchLabels": {"a": "b"}}, "template": TEMPLATE})
TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}
PARTIAL = {"Accept": "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io,application/json"}
PARTIALS = {"Accept": "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json"}


def namespaces() -> list[Asked]:
    restricted = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("audit", "warn")}
    return [
        Asked("namespace", ADMIN, "POST", f"{CORE}/namespaces", obj("Namespace", NS)),
        Asked("namespace again", ADMIN, "POST", f"{CORE}/namespaces", obj("Namespace", NS)),
        Asked("namespace by jane", JANE, "POST", f"{CORE}/namespaces", obj("Namespace", "janes")),
        Asked("account", ADMIN, "POST", f"{IN}/serviceaccounts", obj("ServiceAccount", "default")),
        Asked(
            "secure namespace",
            ADMIN,
            "POST",
            f"{CORE}/namespaces",
            obj("Namespace", "audited-secure", metadata={"labels": {**restricted, "pod-security.kubernetes.io/enforce": "baseline"}}),
        ),
        Asked("secure account", ADMIN, "POST", f"{CORE}/namespaces/audited-secure/serviceaccounts", obj("ServiceAccount", "default")),
        Asked("namespace get", ADMIN, "GET", f"{CORE}/namespaces/{NS}"),
        Asked(
            "namespace finalize",
            ADMIN,
            "PUT",
            f"{CORE}/namespaces/{NS}/finalize",
            obj("Namespace", NS, spec={"finalizers": ["kubernetes"]}),
        ),
        Asked(
            "namespace status", ADMIN, "PATCH", f"{CORE}/namespaces/{NS}/status", {"status": {"phase": "Active"}}, {"Content-Type": MERGE}
        ),
    ]


def config_maps() -> list[Asked]:
    maps, one = f"{IN}/configmaps", f"{IN}/configmaps/m"
    made = obj("ConfigMap", "m", data={"a": "b"})
    return [
        Asked("map", ADMIN, "POST", maps, made),
        Asked(
            "map with options",
            ADMIN,
            "POST",
            f"{maps}?fieldManager=me&fieldValidation=Strict&pretty=true",
            obj("ConfigMap", "m2", data={"a": "<b>&"}),
        ),
        Asked("map again", ADMIN, "POST", maps, made),
        Asked("map dry", ADMIN, "POST", f"{maps}?dryRun=All", obj("ConfigMap", "dry")),
        Asked(
            "map generated",
            ADMIN,
            "POST",
            maps,
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "gen-", "labels": {"gen": "yes"}}},
        ),
        Asked(
            "map in yaml",
            ADMIN,
            "POST",
            maps,
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: yaml\ndata: {x: 'y'}\n",
            {"Content-Type": "application/yaml"},
        ),
        Asked("map invalid", ADMIN, "POST", maps, obj("ConfigMap", "UPPER")),
        Asked("map of another namespace", ADMIN, "POST", maps, obj("ConfigMap", "o", metadata={"namespace": "default"})),
        Asked("map of another kind", ADMIN, "POST", maps, obj("Secret", "o")),
        Asked("map unknown field", ADMIN, "POST", f"{maps}?fieldValidation=Strict", {**made, "foo": 1}),
        Asked("map no json", ADMIN, "POST", maps, "{", {"Content-Type": "application/json"}),
        Asked("map empty body", ADMIN, "POST", maps),
        Asked("map other media", ADMIN, "POST", maps, "x", {"Content-Type": "text/plain"}),
        Asked("map in a missing namespace", ADMIN, "POST", f"{CORE}/namespaces/missing/configmaps", made),
        Asked("map by jane", JANE, "POST", maps, made),
        Asked("map get", ADMIN, "GET", one),
        Asked("map get as yaml", ADMIN, "GET", one, None, {"Accept": "application/yaml"}),
        Asked("map get table", ADMIN, "GET", one, None, TABLE),
        Asked("map get metadata", ADMIN, "GET", one, None, PARTIAL),
        Asked("map not acceptable", ADMIN, "GET", one, None, {"Accept": "text/html"}),
        Asked("map missing", ADMIN, "GET", f"{maps}/missing"),
        Asked("map get by jane", JANE, "GET", one),
        Asked("map head", ADMIN, "HEAD", one),
        Asked("maps", ADMIN, "GET", f"{maps}?labelSelector=none%3Dsuch"),
        Asked("maps of a name", ADMIN, "GET", f"{maps}?fieldSelector=metadata.name%3Dm"),
        Asked("maps limited", ADMIN, "GET", f"{maps}?limit=1&fieldSelector=metadata.name%3Dm"),
        Asked("maps as table", ADMIN, "GET", f"{maps}?fieldSelector=metadata.name%3Dm", None, TABLE),
        Asked("maps as metadata", ADMIN, "GET", f"{maps}?fieldSelector=metadata.name%3Dm", None, PARTIALS),
        Asked("maps by jane", JANE, "GET", maps),
        Asked("maps of all by jane", JANE, "GET", f"{CORE}/configmaps"),
        Asked("maps bad selector", ADMIN, "GET", f"{maps}?labelSelector=a%20b"),
        Asked("maps bad field", ADMIN, "GET", f"{maps}?fieldSelector=data%3Dx"),
        Asked("maps bad continue", ADMIN, "GET", f"{maps}?continue=x"),
        Asked("maps of the future", ADMIN, "GET", f"{maps}?resourceVersion=x"),
        Asked("map put", ADMIN, "PUT", one, obj("ConfigMap", "m", data={"a": "c"})),
        Asked("map put same", ADMIN, "PUT", one, obj("ConfigMap", "m", data={"a": "c"})),
        Asked("map put conflict", ADMIN, "PUT", one, obj("ConfigMap", "m", data={"a": "d"}, metadata={"resourceVersion": "1"})),
        Asked("map put other name", ADMIN, "PUT", one, obj("ConfigMap", "n")),
        Asked("map put missing", ADMIN, "PUT", f"{maps}/missing", obj("ConfigMap", "missing")),
        Asked("map put dry", ADMIN, "PUT", f"{one}?dryRun=All", obj("ConfigMap", "m", data={"a": "e"})),
        Asked("map merge", ADMIN, "PATCH", one, {"data": {"b": "1"}}, {"Content-Type": MERGE}),
        Asked("map strategic", ADMIN, "PATCH", one, {"metadata": {"labels": {"l": "1"}}}, {"Content-Type": STRATEGIC}),
        Asked("map json patch", ADMIN, "PATCH", one, [{"op": "add", "path": "/data/j", "value": "1"}], {"Content-Type": PATCH}),
        Asked("map json patch fails", ADMIN, "PATCH", one, [{"op": "remove", "path": "/data/none"}], {"Content-Type": PATCH}),
        Asked("map patch no json", ADMIN, "PATCH", one, "{", {"Content-Type": MERGE}),
        Asked("map patch other media", ADMIN, "PATCH", one, {}, {"Content-Type": "application/json"}),
        Asked("map patch missing", ADMIN, "PATCH", f"{maps}/missing", {"data": {}}, {"Content-Type": MERGE}),
        Asked(
            "map apply",
            ADMIN,
            "PATCH",
            f"{one}?fieldManager=applier&force=true",
            obj("ConfigMap", "m", data={"a": "applied"}),
            {"Content-Type": APPLY},
        ),
        Asked(
            "map apply new",
            ADMIN,
            "PATCH",
            f"{maps}/applied?fieldManager=applier",
            obj("ConfigMap", "applied", data={"a": "1"}),
            {"Content-Type": APPLY},
        ),
        Asked(
            "map apply conflict",
            ADMIN,
            "PATCH",
            f"{maps}/applied?fieldManager=other",
            obj("ConfigMap", "applied", data={"a": "2"}),
            {"Content-Type": APPLY},
        ),
        Asked(
            "map apply yaml",
            ADMIN,
            "PATCH",
            f"{maps}/applied?fieldManager=applier",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: applied}\ndata:\n  a: '3'\n",
            {"Content-Type": APPLY},
        ),
        Asked("map apply without manager", ADMIN, "PATCH", f"{maps}/applied", obj("ConfigMap", "applied"), {"Content-Type": APPLY}),
        Asked("map patch by jane", JANE, "PATCH", one, {"data": {}}, {"Content-Type": MERGE}),
        Asked("map wrong method", ADMIN, "POST", one, made),
        Asked("maps put", ADMIN, "PUT", maps, made),
        Asked("map delete missing", ADMIN, "DELETE", f"{maps}/missing"),
        Asked("map delete dry", ADMIN, "DELETE", f"{maps}/m2?dryRun=All"),
        Asked(
            "map delete precondition",
            ADMIN,
            "DELETE",
            f"{maps}/m2",
            {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": "no"}},
        ),
        Asked(
            "map delete with options",
            ADMIN,
            "DELETE",
            f"{maps}/m2",
            {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"},
        ),
        Asked("map delete by parameters", ADMIN, "DELETE", f"{maps}/yaml?gracePeriodSeconds=0&propagationPolicy=Foreground"),
        Asked("map delete", ADMIN, "DELETE", f"{maps}/applied"),
        Asked("map delete by jane", JANE, "DELETE", one),
        Asked("maps delete", ADMIN, "DELETE", f"{maps}?labelSelector=gen%3Dyes"),
        Asked(
            "maps delete with options",
            ADMIN,
            "DELETE",
            f"{maps}?labelSelector=none%3Dsuch",
            {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0},
        ),
        Asked("maps delete by jane", JANE, "DELETE", maps),
    ]


def watches() -> list[Asked]:
    maps = f"{IN}/configmaps"
    return [
        Asked("watch", ADMIN, "GET", f"{maps}?watch=true&timeoutSeconds=1&resourceVersion=0"),
        Asked("watch one", ADMIN, "GET", f"{maps}?watch=1&timeoutSeconds=1&fieldSelector=metadata.name%3Dm"),
        Asked("watch old form", ADMIN, "GET", f"{CORE}/watch/namespaces/{NS}/configmaps?timeoutSeconds=1"),
        Asked("watch old form of one", ADMIN, "GET", f"{CORE}/watch/namespaces/{NS}/configmaps/m?timeoutSeconds=1"),
        Asked("watch table", ADMIN, "GET", f"{maps}?watch=true&timeoutSeconds=1", None, TABLE),
        Asked("watch by jane", JANE, "GET", f"{maps}?watch=true&timeoutSeconds=1"),
        Asked("watch too old", ADMIN, "GET", f"{maps}?watch=true&timeoutSeconds=1&resourceVersion=1"),
        Asked("watch bad version", ADMIN, "GET", f"{maps}?watch=true&timeoutSeconds=1&resourceVersion=x"),
        Asked("watch bad selector", ADMIN, "GET", f"{maps}?watch=true&timeoutSeconds=1&labelSelector=a%20b"),
        Asked(
            "watch list",
            ADMIN,
            "GET",
            f"{maps}?watch=true&timeoutSeconds=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true",
        ),
        Asked("watch missing kind", ADMIN, "GET", f"{IN}/nothings?watch=true&timeoutSeconds=1"),
    ]


def secrets() -> list[Asked]:
    made = obj("Secret", "s", data={"a": "cGxhbnRlZA=="}, stringData={"b": "planted"})
    return [
        Asked("secret", ADMIN, "POST", f"{IN}/secrets", made),
        Asked("secret get", ADMIN, "GET", f"{IN}/secrets/s"),
        Asked("secret get by jane", JANE, "GET", f"{IN}/secrets/s"),
        Asked("secrets", ADMIN, "GET", f"{IN}/secrets"),
        Asked("secrets by jane", JANE, "GET", f"{IN}/secrets?limit=500"),
        Asked("secret patch", ADMIN, "PATCH", f"{IN}/secrets/s", {"stringData": {"c": "planted"}}, {"Content-Type": MERGE}),
        Asked("secret type", ADMIN, "PATCH", f"{IN}/secrets/s", {"type": "other"}, {"Content-Type": MERGE}),
        Asked(
            "token",
            ADMIN,
            "POST",
            f"{IN}/serviceaccounts/default/token",
            {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}},
        ),
        Asked(
            "token by jane",
            JANE,
            "POST",
            f"{IN}/serviceaccounts/default/token",
            {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}},
        ),
        Asked(
            "token of a missing account",
            ADMIN,
            "POST",
            f"{IN}/serviceaccounts/missing/token",
            {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}},
        ),
        Asked("secret delete", ADMIN, "DELETE", f"{IN}/secrets/s"),
    ]


def reviews() -> list[Asked]:
    base = "/apis/authorization.k8s.io/v1"
    asked = {"resourceAttributes": {"verb": "get", "resource": "pods", "namespace": NS}}
    sar = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": {**asked, "user": "jane"}}
    return [
        Asked(
            "self review",
            JANE,
            "POST",
            "/apis/authentication.k8s.io/v1/selfsubjectreviews",
            {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"},
        ),
        Asked(
            "token review",
            ADMIN,
            "POST",
            "/apis/authentication.k8s.io/v1/tokenreviews",
            {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": "nonsense"}},
        ),
        Asked("access review", ADMIN, "POST", f"{base}/subjectaccessreviews", sar),
        Asked("access review by jane", JANE, "POST", f"{base}/subjectaccessreviews", sar),
        Asked("access review bad", ADMIN, "POST", f"{base}/subjectaccessreviews", {**sar, "spec": {}}),
        Asked(
            "own access review",
            JANE,
            "POST",
            f"{base}/selfsubjectaccessreviews",
            {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": asked},
        ),
        Asked(
            "local access review",
            ADMIN,
            "POST",
            f"{base}/namespaces/{NS}/localsubjectaccessreviews",
            {
                "apiVersion": "authorization.k8s.io/v1",
                "kind": "LocalSubjectAccessReview",
                "metadata": {"namespace": NS},
                "spec": sar["spec"],
            },
        ),
    ]


def rbac() -> list[Asked]:
    base = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{NS}"
    subjects = [{"kind": "User", "name": "jane", "apiGroup": "rbac.authorization.k8s.io"}]
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "pods"}
    return [
        Asked(
            "role",
            ADMIN,
            "POST",
            f"{base}/roles",
            obj(
                "Role", "pods", "rbac.authorization.k8s.io/v1", rules=[{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}]
            ),
        ),
        Asked(
            "binding of role",
            ADMIN,
            "POST",
            f"{base}/rolebindings",
            obj("RoleBinding", "pods", "rbac.authorization.k8s.io/v1", roleRef=ref, subjects=subjects),
        ),
        Asked("allowed by a binding", JANE, "GET", f"{IN}/pods?labelSelector=none%3Dsuch"),
        Asked("allowed to get", JANE, "GET", f"{IN}/pods/missing"),
        Asked("not in another namespace", JANE, "GET", f"{CORE}/namespaces/default/pods"),
        Asked(
            "role bad",
            ADMIN,
            "POST",
            f"{base}/roles",
            obj("Role", "bad", "rbac.authorization.k8s.io/v1", rules=[{"apiGroups": [""], "resources": ["pods"]}]),
        ),
        Asked("role delete", ADMIN, "DELETE", f"{base}/roles/pods"),
        Asked("binding without role", JANE, "GET", f"{IN}/pods"),
        Asked("binding delete", ADMIN, "DELETE", f"{base}/rolebindings/pods"),
    ]


def pods() -> list[Asked]:
    pod = f"{IN}/pods/p"
    return [
        Asked("pod", ADMIN, "POST", f"{IN}/pods", obj("Pod", "p", spec=POD)),
        Asked("pod invalid", ADMIN, "POST", f"{IN}/pods", obj("Pod", "bad", spec={"containers": []})),
        Asked("pod status", ADMIN, "PATCH", f"{pod}/status", {"status": {"phase": "Running"}}, {"Content-Type": MERGE}),
        Asked("pod status get", ADMIN, "GET", f"{pod}/status"),
        Asked("pod binding missing node", ADMIN, "POST", f"{pod}/binding", obj("Binding", "p", target={"kind": "Node", "name": "none"})),
        Asked("pod binding again", ADMIN, "POST", f"{pod}/binding", obj("Binding", "p", target={"kind": "Node", "name": "none"})),
        Asked("pod log", ADMIN, "GET", f"{pod}/log"),
        Asked("pod log by jane", JANE, "GET", f"{pod}/log?container=c"),
        Asked("pod log of no container", ADMIN, "GET", f"{pod}/log?container=none"),
        Asked("pod exec by jane", JANE, "POST", f"{pod}/exec?command=id&container=c&stdin=true"),
        Asked("pod exec of missing", ADMIN, "POST", f"{IN}/pods/missing/exec?command=id"),
        Asked("pod attach by jane", JANE, "POST", f"{pod}/attach"),
        Asked("pod portforward by jane", JANE, "POST", f"{pod}/portforward"),
        Asked("pod proxy by jane", JANE, "GET", f"{pod}/proxy/some/path?x=y"),
        Asked(
            "pod eviction",
            ADMIN,
            "POST",
            f"{pod}/eviction",
            {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p"}, "deleteOptions": {"dryRun": ["All"]}},
        ),
        Asked(
            "pod resize",
            ADMIN,
            "PATCH",
            f"{pod}/resize",
            {"spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "1"}}}]}},
            {"Content-Type": STRATEGIC},
        ),
        Asked("pod ephemeral", ADMIN, "GET", f"{pod}/ephemeralcontainers"),
        Asked("pod unknown subresource", ADMIN, "GET", f"{pod}/nothing"),
        Asked("pod unknown subresource by jane", JANE, "GET", f"{pod}/nothing"),
        Asked("pod delete", ADMIN, "DELETE", f"{pod}?gracePeriodSeconds=0"),
        Asked("secure pod", ADMIN, "POST", f"{CORE}/namespaces/audited-secure/pods", obj("Pod", "p", spec=POD)),
        Asked("insecure pod", ADMIN, "POST", f"{CORE}/namespaces/audited-secure/pods", obj("Pod", "q", spec=PRIVILEGED)),
        Asked(
            "insecure template",
            ADMIN,
            "POST",
            f"{APPS}/namespaces/audited-secure/deployments",
            {**DEPLOYMENT, "spec": {**DEPLOYMENT["spec"], "template": {**TEMPLATE, "spec": PRIVILEGED}}},
        ),
        Asked("secure pod dry", ADMIN, "POST", f"{CORE}/namespaces/audited-secure/pods?dryRun=All", obj("Pod", "r", spec=POD)),
        Asked(
            "enforce more",
            ADMIN,
            "PATCH",
            f"{CORE}/namespaces/audited-secure",
            {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}},
            {"Content-Type": MERGE},
        ),
    ]


def apps() -> list[Asked]:
    one = f"{APPS}/namespaces/{NS}/deployments/d"
    return [
        Asked("deployment", ADMIN, "POST", f"{APPS}/namespaces/{NS}/deployments", DEPLOYMENT),
        Asked("scale get", ADMIN, "GET", f"{one}/scale"),
        Asked(
            "scale put", ADMIN, "PUT", f"{one}/scale", obj("Scale", "d", "autoscaling/v1", metadata={"namespace": NS}, spec={"replicas": 2})
        ),
        Asked("scale patch", ADMIN, "PATCH", f"{one}/scale", {"spec": {"replicas": 3}}, {"Content-Type": MERGE}),
        Asked("scale by jane", JANE, "GET", f"{one}/scale"),
        Asked("scale missing", ADMIN, "GET", f"{APPS}/namespaces/{NS}/deployments/none/scale"),
        Asked("deployment status put", ADMIN, "PUT", f"{one}/status", {**DEPLOYMENT, "status": {"replicas": 1}}),
        Asked("deployment delete", ADMIN, "DELETE", one, {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Orphan"}),
        Asked("deployments", ADMIN, "GET", f"{APPS}/deployments?labelSelector=none%3Dsuch"),
        Asked(
            "event",
            ADMIN,
            "POST",
            f"{IN}/events",
            obj("Event", "e", metadata={"namespace": NS}, involvedObject={"namespace": NS, "kind": "Pod", "name": "p"}, reason="x"),
        ),
        Asked("endpoints deprecated", ADMIN, "GET", f"{IN}/endpoints?limit=5"),
        Asked("endpoints made", ADMIN, "POST", f"{IN}/endpoints", obj("Endpoints", "e")),
        Asked("component statuses", ADMIN, "GET", f"{CORE}/componentstatuses/none"),
        Asked("service", ADMIN, "POST", f"{IN}/services", obj("Service", "svc", spec={"ports": [{"port": 80}], "clusterIP": "None"})),
        Asked("service proxy", ADMIN, "GET", f"{IN}/services/svc/proxy/a/b?c=d"),
        Asked("service proxy by jane", JANE, "GET", f"{IN}/services/svc/proxy/a/b?c=d"),
        Asked("node", ADMIN, "POST", f"{CORE}/nodes", obj("Node", "audited-node")),
        Asked("node proxy by jane", JANE, "GET", f"{CORE}/nodes/audited-node/proxy/metrics"),
        Asked("nodes by jane", JANE, "GET", f"{CORE}/nodes"),
        Asked("node get by jane", JANE, "GET", f"{CORE}/nodes/audited-node"),
        Asked("node delete", ADMIN, "DELETE", f"{CORE}/nodes/audited-node"),
        Asked(
            "lease",
            ADMIN,
            "POST",
            f"/apis/coordination.k8s.io/v1/namespaces/{NS}/leases",
            obj("Lease", "l", "coordination.k8s.io/v1", spec={"holderIdentity": "me"}),
        ),
        Asked(
            "certificate request",
            ADMIN,
            "POST",
            "/apis/certificates.k8s.io/v1/certificatesigningrequests",
            obj(
                "CertificateSigningRequest",
                "audited",
                "certificates.k8s.io/v1",
                spec={"request": "eA==", "signerName": "a/b", "usages": ["client auth"]},
            ),
        ),
    ]


def impersonations() -> list[Asked]:
    def user(name: str, **more: str) -> dict[str, str]:
        return {"Impersonate-User": name, **{key.replace("_", "-"): value for key, value in more.items()}}

    return [
        Asked("as jane", ADMIN, "GET", f"{IN}/configmaps/m", None, user("jane")),
        Asked(
            "as jane with groups",
            ADMIN,
            "GET",
            f"{IN}/configmaps/m",
            None,
            user("jane", Impersonate_Group="system:masters", Impersonate_Uid="42"),
        ),
        Asked(
            "as jane with extra",
            ADMIN,
            "GET",
            f"{IN}/configmaps/m",
            None,
            {**user("jane"), "Impersonate-Extra-Scopes": "a", "Impersonate-Extra-acme.com%2fProject": "b"},
        ),
        Asked("as an account", ADMIN, "GET", f"{IN}/configmaps/m", None, user(f"system:serviceaccount:{NS}:default")),
        Asked("as anonymous", ADMIN, "GET", f"{IN}/configmaps/m", None, user("system:anonymous")),
        Asked("as without user", ADMIN, "GET", f"{IN}/configmaps/m", None, {"Impersonate-Group": "x"}),
        Asked("as by jane", JANE, "GET", f"{IN}/configmaps/m", None, user("admin")),
        Asked("as by jane for an account", JANE, "GET", f"{IN}/configmaps/m", None, user(f"system:serviceaccount:{NS}:default")),
        Asked(
            "create as jane",
            ADMIN,
            "POST",
            f"{IN}/configmaps",
            obj("ConfigMap", "byjane"),
            user("jane", Impersonate_Group="system:masters"),
        ),
    ]


def others() -> list[Asked]:
    return [
        Asked("anonymous", NOBODY, "GET", f"{IN}/configmaps"),
        Asked("anonymous version", NOBODY, "GET", "/version"),
        Asked("anonymous health", NOBODY, "GET", "/healthz"),
        Asked("anonymous metrics", NOBODY, "GET", "/metrics"),
        Asked("wrong token", WRONG, "GET", f"{IN}/configmaps"),
        Asked("wrong token version", WRONG, "GET", "/version"),
        Asked("health", ADMIN, "GET", "/readyz?verbose=true"),
        Asked("livez ping", ADMIN, "GET", "/livez/ping"),
        Asked("version", ADMIN, "GET", "/version"),
        Asked("root", JANE, "GET", "/"),
        Asked("apis", JANE, "GET", "/apis"),
        Asked("api v1", JANE, "GET", "/api/v1"),
        Asked("apps v1", JANE, "GET", "/apis/apps/v1"),
        Asked("openapi", JANE, "GET", "/openapi/v3"),
        Asked("metrics by jane", JANE, "GET", "/metrics"),
        Asked("no such page", ADMIN, "GET", "/nope"),
        Asked("no such page by jane", JANE, "GET", "/nope/x?y=z"),
        Asked("no such group", ADMIN, "GET", "/apis/none.example.com/v1/things"),
        Asked("no such resource", ADMIN, "GET", f"{IN}/nothings"),
        Asked("no such resource by jane", JANE, "POST", f"{IN}/nothings", {}),
        Asked("options", ADMIN, "OPTIONS", f"{IN}/configmaps"),
        Asked("post version", ADMIN, "POST", "/version", {}),
        Asked("forwarded", ADMIN, "GET", "/version", None, {"X-Forwarded-For": "1.2.3.4, 10.0.0.1, nonsense", "X-Real-Ip": "5.6.7.8"}),
        Asked("real ip", ADMIN, "GET", "/version", None, {"X-Real-Ip": "5.6.7.8"}),
        Asked("forwarded by itself", ADMIN, "GET", "/version", None, {"X-Forwarded-For": "127.0.0.1"}),
        Asked("long agent", ADMIN, "GET", "/version", None, {"User-Agent": "a" * 1100}),
        Asked("no agent", ADMIN, "GET", "/version", None, {"User-Agent": ""}),
        Asked("escaped path", ADMIN, "GET", f"{IN}/configmaps/a%20b"),
        Asked("timeout", ADMIN, "GET", f"{IN}/configmaps/m?timeout=10s"),
        Asked("bad timeout", ADMIN, "GET", f"{IN}/configmaps/m?timeout=x"),
    ]


def custom() -> list[Asked]:
    names = {"plural": "pandas", "singular": "panda", "kind": "Panda", "listKind": "PandaList"}
    schema = {
        "openAPIV3Schema": {
            "type": "object",
            "properties": {
                "spec": {"type": "object", "properties": {"size": {"type": "integer", "maximum": 10}}},
                "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            },
        }
    }
    version = {"name": "v1", "served": True, "storage": True, "schema": schema, "subresources": {"status": {}}}
    definition = obj(
        "CustomResourceDefinition",
        "pandas.audited.example.com",
        "apiextensions.k8s.io/v1",
        spec={"group": "audited.example.com", "names": names, "scope": "Namespaced", "versions": [version]},
    )
    base = f"/apis/audited.example.com/v1/namespaces/{NS}/pandas"
    panda = obj("Panda", "p", "audited.example.com/v1", spec={"size": 1})
    return [
        Asked("definition", ADMIN, "POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition),
        Asked("panda", ADMIN, "POST", base, panda, {"wait": f"{base}"}),
        Asked("panda invalid", ADMIN, "POST", base, obj("Panda", "q", "audited.example.com/v1", spec={"size": 11})),
        Asked(
            "panda unknown field",
            ADMIN,
            "POST",
            f"{base}?fieldValidation=Warn",
            obj("Panda", "w", "audited.example.com/v1", spec={"size": 1, "foo": 2}),
        ),
        Asked("panda get", ADMIN, "GET", f"{base}/p"),
        Asked("pandas", ADMIN, "GET", f"{base}?fieldSelector=metadata.name%3Dp"),
        Asked("pandas as table", ADMIN, "GET", f"{base}?fieldSelector=metadata.name%3Dp", None, TABLE),
        Asked("panda patch", ADMIN, "PATCH", f"{base}/p", {"spec": {"size": 2}}, {"Content-Type": MERGE}),
        Asked("panda status", ADMIN, "PATCH", f"{base}/p/status", {"status": {"x": 1}}, {"Content-Type": MERGE}),
        Asked("panda by jane", JANE, "GET", f"{base}/p"),
        Asked("panda delete", ADMIN, "DELETE", f"{base}/p"),
        Asked("pandas delete", ADMIN, "DELETE", base),
    ]


def policies() -> list[Asked]:
    base = "/apis/admissionregistration.k8s.io/v1"
    selector = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": NS}}}

    def policy(name: str, kind: str, actions: list[str], **spec: Any) -> list[Asked]:
        rules = {"resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": [kind]}], **selector}
        made = obj("ValidatingAdmissionPolicy", name, "admissionregistration.k8s.io/v1", spec={"matchConstraints": rules, **spec})
        binding = obj(
            "ValidatingAdmissionPolicyBinding",
            name,
            "admissionregistration.k8s.io/v1",
            spec={"policyName": name, "validationActions": actions},
        )
        return [
            Asked(f"policy {name}", ADMIN, "POST", f"{base}/validatingadmissionpolicies", made),
            Asked(f"policy binding {name}", ADMIN, "POST", f"{base}/validatingadmissionpolicybindings", binding),
        ]

    annotation = [{"key": "who", "valueExpression": "'made by ' + request.userInfo.username"}, {"key": "none", "valueExpression": "null"}]
    return [
        *policy(
            "audited-audit",
            "secrets",
            ["Audit", "Warn"],
            validations=[
                {"expression": "object.metadata.name != 'bad'", "message": "no bad name"},
                {"expression": "false", "messageExpression": "'name ' + object.metadata.name"},
            ],
            auditAnnotations=annotation,
        ),
        *policy(
            "audited-deny",
            "limitranges",
            ["Deny"],
            validations=[{"expression": "object.metadata.name == 'good'", "message": "only good"}],
            auditAnnotations=annotation,
        ),
        *policy(
            "audited-both",
            "resourcequotas",
            ["Deny", "Audit"],
            validations=[{"expression": "object.metadata.name == 'good'", "reason": "Forbidden"}],
        ),
        Asked("policy audits", ADMIN, "POST", f"{IN}/secrets", obj("Secret", "bad"), {"settle": "1"}),
        Asked("policy denies", ADMIN, "POST", f"{IN}/limitranges", obj("LimitRange", "bad", spec={"limits": []})),
        Asked("policy allows", ADMIN, "POST", f"{IN}/limitranges", obj("LimitRange", "good", spec={"limits": []})),
        Asked("policy denies and audits", ADMIN, "POST", f"{IN}/resourcequotas", obj("ResourceQuota", "bad")),
        *(
            Asked(f"{kind} {name} gone", ADMIN, "DELETE", f"{base}/{kind}/{name}")
            for name in ("audited-audit", "audited-deny", "audited-both")
            for kind in ("validatingadmissionpolicybindings", "validatingadmissionpolicies")
        ),
    ]


def webhooks(url: str, ca: str) -> list[Asked]:
    base = "/apis/admissionregistration.k8s.io/v1"

    def hook(kind: str, name: str, path: str, resource: str, policy: str = "Fail", several: int = 1) -> Asked:
        single = {
            "clientConfig": {"url": f"{url}{path}", "caBundle": ca},
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": [resource]}],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": NS}},
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
            "failurePolicy": policy,
            "timeoutSeconds": 5,
        }
        hooks = [
            {**single, "name": f"h{number}.{name}.example.com", "reinvocationPolicy": "IfNeeded"}
            if kind.startswith("Mut")
            else {**single, "name": f"h{number}.{name}.example.com"}
            for number in range(several)
        ]
        return Asked(
            f"{kind} {name}",
            ADMIN,
            "POST",
            f"{base}/{kind.lower()}s",
            {"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": f"audited-{name}"}, "webhooks": hooks},
        )

    kinds = {"mutate": "Mutating", "allow": "Validating", "open": "Mutating", "openv": "Validating", "deny": "Validating"}
    return [
        hook("MutatingWebhookConfiguration", "mutate", "/mutate", "podtemplates", several=2),
        hook("ValidatingWebhookConfiguration", "allow", "/annotate", "podtemplates"),
        hook("MutatingWebhookConfiguration", "open", "/500", "persistentvolumeclaims", "Ignore"),
        hook("ValidatingWebhookConfiguration", "openv", "/500", "persistentvolumeclaims", "Ignore"),
        hook("ValidatingWebhookConfiguration", "deny", "/deny", "replicationcontrollers"),
        Asked("webhooks mutate", ADMIN, "POST", f"{IN}/podtemplates", obj("PodTemplate", "t", template=TEMPLATE), {"settle": "1"}),
        Asked(
            "webhooks fail open",
            ADMIN,
            "POST",
            f"{IN}/persistentvolumeclaims",
            obj("PersistentVolumeClaim", "c", spec={"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}),
        ),
        Asked(
            "webhook denies",
            ADMIN,
            "POST",
            f"{IN}/replicationcontrollers",
            obj("ReplicationController", "r", spec={"selector": {"a": "b"}, "template": TEMPLATE}),
        ),
        *(
            Asked(f"webhook {name} gone", ADMIN, "DELETE", f"{base}/{kind.lower()}webhookconfigurations/audited-{name}")
            for name, kind in kinds.items()
        ),
    ]


def every(url: str, ca: str) -> list[Asked]:
    groups = (namespaces, config_maps, watches, secrets, reviews, rbac, pods, apps, impersonations, others, custom, policies)
    asked = [
        *(each for group in groups for each in group()),
        *webhooks(url, ca),
        Asked("namespace delete", ADMIN, "DELETE", f"{CORE}/namespaces/{NS}"),
        Asked("secure namespace delete", ADMIN, "DELETE", f"{CORE}/namespaces/audited-secure"),
    ]
    assert len({each.name for each in asked}) == len(asked)
    return asked
