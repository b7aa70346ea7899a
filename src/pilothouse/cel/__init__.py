"""CEL, the Common Expression Language, as Kubernetes 1.37 uses it (cel-go v0.29 semantics, messages and costs).

The room knows nothing of its users. What they call:

    environment = kubernetes.new_expressions(minor=36).extended({"self": type_, "oldSelf": type_})
    program = environment.compile("self.replicas <= 5")     # CompileError: str() is cel-go's display, .issues has places
    program.output_type                                      # types.BOOL
    program.checked                                          # the tree with types; estimating.estimate takes it
    result = program.evaluate({"self": {...}}, budget=1_000_000)
    result.value, result.cost                                # EvaluationError: cel-go's message, .cost

- An `Environment` and a `Program` never change and may be shared by threads; compile once (about a millisecond), evaluate often.
- A variable is a value (values.py), JSON of a declared type, or a function without arguments that is called once when it is needed first;
  an object with a method `cel_find(name)` finds its fields when they are selected.
- Evaluation costs at most `budget` (cel-go's units); then `CostLimitExceeded`. `cancelled` is asked at every turn of a comprehension.
  A million units take up to half a second, a text of 100,000 characters up to two to compile: large ones belong off the event loop.
- `schema.declared(schema, is_root)` gives the type of an OpenAPI schema; its values are dicts as they came from JSON.
- `estimating.estimate(program.checked, estimating.SchemaSizes(type_))` gives the static cost.

| file | holds |
|---|---|
| types, values, errors | what programs and libraries speak in |
| declarations | `Function`, `Overload`, `Macro`, `Library` |
| lexer, literals, parser, macros, syntax | text to tree |
| scopes, checking, unification, validating | tree to typed tree |
| planning, attributes, calls, folds, frames | typed tree to Python closures |
| work | bounds of what costs do not count |
| standard/ | operators, conversions, strings, times, optional values |
| libraries/ | Kubernetes' libraries, one file each |
| costs, defaultcosts, estimating, limits | units, static cost, budgets |
| schema, schemavalues, escaping | OpenAPI schema to type, JSON to values |
| kubernetes | environments by version |
"""
