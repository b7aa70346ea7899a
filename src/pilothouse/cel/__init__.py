"""CEL, the Common Expression Language, as Kubernetes 1.37 uses it (cel-go v0.29 semantics, messages and costs).

The room knows nothing of its users. What they call:

    environment = kubernetes.new_expressions(minor=36).extended({"self": type_, "oldSelf": type_})
    program = environment.compile("self.replicas <= 5")     # CompileError: str() is cel-go's display, .issues has places
    program.output_type                                      # types.BOOL
    program.checked                                          # the tree with types; estimating.estimate takes it
    result = program.evaluate({"self": {...}}, budget=1_000_000)
    result.value, result.cost                                # EvaluationError: cel-go's message, .cost

- An `Environment` and a `Program` never change and may be shared by threads; compile once, evaluate often.
- A variable is a value (values.py), JSON of a declared type, or a function without arguments that is called once when it is needed first.
- Evaluation costs at most `budget` (cel-go's units); then `CostLimitExceeded`. `cancelled` is asked at every turn of a comprehension.
- `schema.declared(schema, is_root)` gives the type of an OpenAPI schema; its values are dicts as they came from JSON.

| file | holds |
|---|---|
| types, values, errors | what programs and libraries speak in |
| declarations | `Function`, `Overload`, `Macro`, `Library` |
| lexer, parser, macros, syntax | text to tree |
| checking, unification | tree to typed tree |
| planning, evaluating | typed tree to Python closures |
| standard/ | operators, conversions, strings, times |
| libraries/ | Kubernetes' libraries, one file each |
| estimating | static cost |
| schema | OpenAPI schema to type |
| kubernetes | environments by version |
"""
