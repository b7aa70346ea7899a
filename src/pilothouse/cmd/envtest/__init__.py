"""envtest: executables named kube-apiserver, etcd and kubectl, for test frameworks that start those by their flags.

- `assets` makes the folder that KUBEBUILDER_ASSETS names. `flags` reads kube-apiserver's flags. `apiserver` and `etcd` are the programs.
- The API server keeps its objects in memory; what is given as etcd answers health checks and nothing else.
- With PILOTHOUSE_ENVTEST_CONTROLLERS=1 the controllers and garbage collection run beside it, which upstream's envtest does not have.
"""
