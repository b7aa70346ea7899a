"""Bodies that look like objects of a kind and are wrong somewhere: what fuzz tests send."""

from __future__ import annotations

from random import Random
from typing import Any

from pilothouse.machinery.shape import ANY, Shape

TEXTS = (
    "", " ", "a", "x-1", "A_b", ".", "..", "/", "a/b", "a/b/c", "-", "%", "50%", "200%", "\u00e9", "\u0000", "\n", "'\"\\", "{", "[]",
    "null", "0", "-1", "true", "1.2.3.4", "10.96.0.1", "::1", "::", "1.2.3.4/8", "fe80::/64", "256.0.0.1", "1Gi", "-1", "1e400",
    "1e-400", "NaN", "0x10", "1.5", "2020-01-01T00:00:00Z", "2020-13-01T00:00:00Z", "2020-01-01T00:00:00.5+02:00", "*/5 * * * *",
    "* * * * *", "@every 1h", "60 * * * *", "TZ=UTC * * * * *", "http://x", "https://[::1", "Always", "Never", "OnFailure", "ClusterIP",
    "None", "NodePort", "ExternalName", "LoadBalancer", "TCP", "Local", "Exists", "In", "NotIn", "Gt", "Equal", "NoExecute",
    "app.kubernetes.io/name", "kubernetes.io/hostname", "cpu", "memory", "pods", "requests.cpu", "kubernetes.io/tls",
    "kubernetes.io/dockerconfigjson", "e30=", "!!!", "RollingUpdate", "Recreate", "Foreground", "Indexed", "RWO", "ReadWriteOnce",
    "User", "Group", "system:x", "ServiceAccount", "v1", "apps/v1", "Pod", "Deployment", "default", "a" * 64, "a" * 254, "\ud7ff",
    "\ud83d\ude00", "self.x > 1", "((", "$(A)", "../../etc", "/etc",
)  # fmt: skip
NUMBERS = (0, 1, -1, 2, 3, 80, 65535, 65536, 30000, 100, 1 << 31, -(1 << 31), (1 << 31) - 1)
ODD: tuple[Any, ...] = (
    None,
    {},
    [],
    "",
    "x",
    0,
    -1,
    1.5,
    True,
    [None],
    {"": None},
    {"a": {"a": 1}},
    [[[]]],
    [{}],
    1e308,
    -0.0,
    10**30,
    10**400,
)


class OddInput:
    """Makes values along a shape; `strange` is the share of values of a wrong type."""

    def __init__(self, random: Random, strange: float = 0.02) -> None:
        self.random = random
        self.strange = strange

    def value(self, shape: Shape | None, depth: int = 0) -> Any:
        """A value of this shape; deep ones get fewer fields."""
        if self.random.random() < self.strange:
            return self.random.choice(ODD)
        match shape.kind if shape else ANY:
            case "struct":
                return self._struct(shape, depth)  # type: ignore[arg-type]
            case "list":
                return [self.value(shape.item, depth + 1) for _ in range(self._count(depth))]  # type: ignore[union-attr]
            case "map":
                return {self._text(): self.value(shape.item, depth + 1) for _ in range(self._count(depth))}  # type: ignore[union-attr]
            case "integer":
                return self.random.choice(NUMBERS)
            case "boolean":
                return self.random.random() < 0.5
            case "number":
                return self.random.choice((0, 1.5, -2, 1e9))
            case "quantity" | "intOrString":
                return self.random.choice((self._text(), self.random.choice(NUMBERS), "1Gi", "500m", "25%", 3))
            case "any":
                return self.random.choice(ODD)
            case _:
                return self._text()

    def _struct(self, shape: Shape, depth: int) -> dict[str, Any]:
        if depth > 9:
            return {}
        share = 0.9 if len(shape.fields) <= 3 else max(0.12, 0.55 - 0.05 * depth)
        chosen = [name for name in shape.fields if self.random.random() < share]
        if not depth and self.random.random() < 0.9:
            chosen = [name for name in chosen if name not in ("apiVersion", "kind")]
        return {name: self.value(shape.fields[name], depth + 1) for name in chosen}

    def _count(self, depth: int) -> int:
        return self.random.choice((0, 1, 1, 2, 3) if depth < 6 else (0, 1))

    def _text(self) -> str:
        return self.random.choice(TEXTS)

    def spoilt(self, document: Any, shape: Shape | None) -> Any:
        """A copy of a document in which one place has another value, or one more or one less."""
        if self.random.random() < 0.25 or not document or not isinstance(document, (dict, list)):
            return self.value(shape)
        if isinstance(document, list):
            at = self.random.randrange(len(document))
            grown = [*document, document[at]] if self.random.random() < 0.1 else [*document]
            grown[at] = self.spoilt(document[at], shape.item if shape else None)
            return grown
        known = list(shape.fields) if shape else []
        key = self.random.choice(known if known and self.random.random() < 0.5 else list(document))
        inner = shape.fields.get(key) or shape.item if shape else None
        if key in document and self.random.random() < 0.1:
            return {name: value for name, value in document.items() if name != key}
        return {**document, key: self.spoilt(document[key], inner) if key in document else self.value(inner, 3)}
