"""CEL rules of custom resources (x-kubernetes-validations).

- `compiling`: rules of a definition are compiled when it is written: types, costs, and what upstream says of what is wrong.
- `running`: rules are run on objects: budgets, transition rules, messages, ratcheting.

The schema itself is validated by `machinery/structural`; the order of both, and when rules are skipped, is in `running.RuleSet.validate`.

Upstream: apiextensions-apiserver pkg/apiserver/schema/cel, pkg/apis/apiextensions/validation/cel_validation.go.
"""
