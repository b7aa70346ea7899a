# Everything starts from `make up` and `make test`: on a fresh Debian 12, 13 or Ubuntu 24.04 they install what is missing
# (tools/bootstrap.py). Without root, or where the kernel allows no namespaces, nodes are simulated, and tests that need containers are
# left out and listed.
SHELL := /bin/bash
PYTHON := .venv/bin/python
SUDO = $(shell python3 tools/bootstrap.py --sudo)
INSTALLED := .venv/.installed
DEVELOPMENT := .venv/.development
# Compiled modules are kept, whatever the environment says of it: without them every process that a test starts compiles the package anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: .venv help up down test check lint types layers unit e2e bench fuzz simulate generate docs

help: ## this list
	@grep -hE '^[a-z]+:.*##' Makefile | sed 's/:.*## /\t/' | expand -t 12

$(INSTALLED): pyproject.toml tools/bootstrap.py
	python3 tools/bootstrap.py
	@touch $@

$(DEVELOPMENT): pyproject.toml tools/bootstrap.py
	python3 tools/bootstrap.py --development
	@touch $@ $(INSTALLED)

.venv: $(INSTALLED)

up: $(INSTALLED) ## install what is missing, start the cluster, run the example, show that it is served
	python3 tools/bootstrap.py --system --link --optional
	$(SUDO) $(PYTHON) -m pilothouse up --example --runtime auto $(UP_FLAGS)

down: ## stop the cluster; its state is kept (PURGE=1 removes it)
	$(SUDO) $(PYTHON) -m pilothouse down $(if $(PURGE),--purge)

test: $(DEVELOPMENT) ## everything that CI runs
	python3 tools/bootstrap.py --system --tests --optional
	$(MAKE) check e2e

check: $(DEVELOPMENT) lint types layers unit ## lint, types, layers, unit tests

lint:
	.venv/bin/ruff check .
	.venv/bin/ruff format --check --diff src tests tools
	$(PYTHON) tools/generate_types.py --check
	$(PYTHON) tools/reference.py --check

types:
	.venv/bin/mypy

layers:
	.venv/bin/lint-imports

unit:
	$(PYTHON) -m pytest -q --collect-only tests/e2e > /dev/null || $(PYTHON) -m pytest -q --collect-only tests/e2e
	.venv/bin/pytest -q -n 2 tests/unit tests/architecture tests/simulation tests/scenarios examples

e2e: ## end-to-end tests: root, containerd, kubectl; what cannot run here is left out and listed (CI=true: a failure)
	$(SUDO) $(PYTHON) -m pytest -q tests/e2e

bench: $(DEVELOPMENT) ## one line a figure: NAME VALUE UNIT TARGET ok|short
	$(SUDO) $(PYTHON) tests/bench/run.py

fuzz: $(DEVELOPMENT) ## the property tests, with many more examples
	HYPOTHESIS_PROFILE=fuzz .venv/bin/pytest -q -n 2 tests/unit -k "property or fuzz"

simulate: $(DEVELOPMENT) ## the seeded simulation of a whole cluster with faults, many seeds
	.venv/bin/pytest -q tests/simulation --seeds 50

generate: $(DEVELOPMENT) ## write the generated structs anew
	$(PYTHON) tools/generate_types.py

docs: $(DEVELOPMENT) ## write the generated reference pages
	$(PYTHON) tools/reference.py
