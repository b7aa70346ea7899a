"""CEL expressions of admission: variables, allowed result types, and compile errors.

- Policies, conditions of webhooks and the type checker of ValidatingAdmissionPolicies compile with a `Compiler` (upstream:
  apiserver/pkg/admission/plugin/cel).
- `object`, `oldObject` and `params` are dynamic unless the type checker gives them types. `request` and `namespaceObject` have types of
  their own, whose values are JSON as the API has it: what is declared a timestamp is a text all the same, as upstream.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from pilothouse.api.expressions.patchtypes import JSON_PATCH, OBJECT, find_type
from pilothouse.cel import jsonpatch, kubernetes
from pilothouse.cel.environment import Environment, Program, ProgramError
from pilothouse.cel.errors import CompileError
from pilothouse.cel.libraries.authz import AUTHORIZER, RESOURCE_CHECK
from pilothouse.cel.types import (
    ANY,
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    LIST_KIND,
    MAP_KIND,
    NULL,
    OBJECT_KIND,
    STRING,
    TIMESTAMP,
    UINT,
    ObjectType,
    Type,
    list_of,
    map_of,
    object_type,
)
from pilothouse.machinery.problems import Problems

TEXTS = list_of(STRING)
LABELS = map_of(STRING, STRING)
GROUP_VERSION_KIND = object_type("kubernetes.GroupVersionKind", {"group": STRING, "version": STRING, "kind": STRING})
GROUP_VERSION_RESOURCE = object_type("kubernetes.GroupVersionResource", {"group": STRING, "version": STRING, "resource": STRING})
USER_INFO = object_type("kubernetes.UserInfo", {"username": STRING, "uid": STRING, "groups": TEXTS, "extra": map_of(STRING, TEXTS)})
REQUEST = object_type(
    "kubernetes.AdmissionRequest",
    {
        "kind": GROUP_VERSION_KIND,
        "resource": GROUP_VERSION_RESOURCE,
        "subResource": STRING,
        "requestKind": GROUP_VERSION_KIND,
        "requestResource": GROUP_VERSION_RESOURCE,
        "requestSubResource": STRING,
        "name": STRING,
        "namespace": STRING,
        "operation": STRING,
        "userInfo": USER_INFO,
        "dryRun": BOOL,
        "options": DYN,
    },
)
NAMESPACE_METADATA = object_type(
    "kubernetes.NamespaceMetadata",
    {
        "name": STRING,
        "generateName": STRING,
        "namespace": STRING,
        "labels": LABELS,
        "annotations": LABELS,
        "UID": STRING,
        "creationTimestamp": TIMESTAMP,
        "deletionGracePeriodSeconds": INT,
        "deletionTimestamp": TIMESTAMP,
        "generation": INT,
        "resourceVersion": STRING,
        "finalizers": TEXTS,
    },
)
NAMESPACE_CONDITION = object_type(
    "kubernetes.NamespaceCondition",
    {"status": STRING, "type": STRING, "lastTransitionTime": TIMESTAMP, "message": STRING, "reason": STRING},
)
NAMESPACE = object_type(
    "kubernetes.Namespace",
    {
        "metadata": NAMESPACE_METADATA,
        "spec": object_type("kubernetes.NamespaceSpec", {"finalizers": TEXTS}),
        "status": object_type("kubernetes.NamespaceStatus", {"conditions": list_of(NAMESPACE_CONDITION), "phase": STRING}),
    },
)
VARIABLES_NAME = "kubernetes.variables"

ANYTHING: tuple[Type, ...] = ()
RETURNS: Mapping[str, tuple[Type, ...]] = {
    "condition": (BOOL,),
    "validation": (BOOL,),
    "messageExpression": (STRING,),
    "valueExpression": (STRING, NULL),
    "variable": ANYTHING,
    "applyConfiguration": (OBJECT,),
    "jsonPatch": (list_of(JSON_PATCH),),
}
"""What expressions return, by what they are for."""
MUTATIONS = frozenset(("applyConfiguration", "jsonPatch"))
"""These construct objects and operations."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """An expression: its program, or why there is none; `is_internal` where upstream takes that for its own mistake."""

    expression: str
    program: Program | None
    problem: str = ""
    is_internal: bool = False

    def report(self, problems: Problems, shown: str = "") -> None:
        """Report why the expression did not compile. `shown` is the value in the error, if not the expression."""
        if self.is_internal:
            problems.internal(self.problem)
        elif self.problem:
            problems.invalid(shown or self.expression, self.problem)

    @property
    def output_type(self) -> Type | None:
        """Type of the result; None when the expression did not compile."""
        return self.program.output_type if self.program is not None else None


class Compiler:
    """Compiles the expressions of one policy. A variable is seen by the expressions that are compiled after it.

    `params`: whether there is a paramKind; `composed`: whether there is `variables`; `types`: types of `object`, `oldObject` and `params`
    that are known, for the type checker.
    """

    def __init__(self, *, params: bool = False, composed: bool = True, types: Mapping[str, Type] | None = None) -> None:
        self._params, self._types = params, dict(types or {})
        self._fields: dict[str, Type] = {}
        self._environments: dict[tuple[bool, ...], Environment] = {}
        if composed:
            self._types["variables"] = ObjectType(OBJECT_KIND, VARIABLES_NAME, fields=self._fields)

    def add_variable(self, name: str, expression: str, *, stored: bool = True) -> Compiled:
        """Compile a variable and declare it: of the type that it has, or dynamic when it does not compile."""
        compiled = self.compile(expression, "variable", stored=stored)
        self._fields[name] = declared_variable(compiled.output_type)
        return compiled

    def compile(self, expression: str, purpose: str, *, stored: bool = True) -> Compiled:
        """Compile an expression for one of the purposes of RETURNS.

        `stored`: it is in the store already, and may use every library that there is; a new one may not use the newest, so that it also
        compiles on API servers of one minor version less.
        """
        try:
            program = self._environment(purpose != "messageExpression", purpose in MUTATIONS, stored).compile(expression)
        except ProgramError as error:
            return Compiled(expression, None, f"program instantiation failed: {error}", is_internal=True)
        except CompileError as error:
            return Compiled(expression, None, f"compilation failed: {error}")
        returns = RETURNS[purpose]
        if returns and program.output_type not in returns:
            wanted = " ".join(map(type_text, returns))
            wanted = wanted if len(returns) == 1 else f"one of [{wanted}]"
            return Compiled(expression, None, f"must evaluate to {wanted} but got {type_text(program.output_type)}")
        return Compiled(expression, program)

    def _environment(self, *kind: bool) -> Environment:
        """The environment with or without authorizer and patches, of new or of stored expressions."""
        if kind not in self._environments:
            base = _environment(self._params, *kind)
            self._environments[kind] = base.extended(self._types) if self._types else base
        return self._environments[kind]


@cache
def _environment(params: bool, authorizer: bool, patches: bool, stored: bool) -> Environment:
    declared: dict[str, Type] = {"object": DYN, "oldObject": DYN, "namespaceObject": NAMESPACE, "request": REQUEST}
    if params:
        declared["params"] = DYN
    if authorizer:
        declared |= {"authorizer": AUTHORIZER, "authorizer.requestResource": RESOURCE_CHECK}
    base = kubernetes.stored_expressions() if stored else kubernetes.new_expressions()
    extended = base.extended(declared)
    return extended.extended(libraries=(jsonpatch.LIBRARY,), resolvers=(find_type,)) if patches else extended


DECLARED = (ANY, BOOL, BYTES, DOUBLE, DURATION, INT, NULL, STRING, TIMESTAMP, UINT)


def declared_variable(given: Type | None) -> Type:
    """The type that `variables` declares for a result: primitive types, lists and maps of them; all others are dynamic."""
    if given is None:
        return DYN
    if given.kind in (LIST_KIND, MAP_KIND):
        return Type(given.kind, given.name, tuple(map(declared_variable, given.parameters)))
    return given if given in DECLARED else DYN


def type_text(of: Type) -> str:
    """A type as cel-go prints it outside of the checker's messages: by its run-time name."""
    name = f"wrapper({of.name})" if of.nullable else of.name
    return f"{name}({', '.join(map(type_text, of.parameters))})" if of.parameters else name
