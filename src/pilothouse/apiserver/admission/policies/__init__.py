"""ValidatingAdmissionPolicy and MutatingAdmissionPolicy: matching, evaluation, and mutation.

| file | holds |
|---|---|
| source | policies with their bindings, compiled, as the watch caches show them |
| params | the objects that a binding gives to its policy |
| activation | the variables of expressions: `object`, `request`, `params`, ... |
| evaluation | expressions in order, within a budget of costs |
| validating, decisions | what a ValidatingAdmissionPolicy says of a request |
| mutating, patches | what a MutatingAdmissionPolicy makes of an object |

Upstream: k8s.io/apiserver/pkg/admission/plugin/policy. The plugins that ask are in ../plugins.
"""
