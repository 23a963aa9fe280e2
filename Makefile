# The two commands are `make demo` and `make test`. Everything they need is set up on the way.
SHELL := /bin/sh
.SHELLFLAGS := -eu -c
PY := .venv/bin/python
PORT ?= 8765
SCENARIO ?= bad_deployment
SEED ?= 1

.PHONY: test-cluster demo test check lint types unit servers bench chaos lock clean pictures

demo: .venv/.demo
	@exec $(PY) -m bot demo --port $(PORT) --scenario $(SCENARIO) --seed $(SEED)

test: .venv/.dev servers
	@$(MAKE) --no-print-directory check unit

check: .venv/.dev
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy
	@.venv/bin/lint-imports

unit: .venv/.dev
	@CI=$${CI:-} $(PY) -m pytest -n 2 --dist loadgroup -m "not chaos and not cluster"

# Real servers that the tests start on loopback: PostgreSQL, Prometheus, Alertmanager, Redis, Chromium …
servers:
	@scripts/install-servers

pictures: .venv/.dev
	@mkdir -p docs/pictures
	@INQUEST_PICTURES=$(CURDIR)/docs/pictures $(PY) -m pytest tests/browser -k "newcomer or alert"

bench: .venv/.dev
	@$(PY) -m tests.benchmarks.speed

# A real Kubernetes control plane, built with Go on the first run, outside the tree; not part of `make test`.
test-cluster: .venv/.dev servers
	@scripts/install-cluster
	@CI=$${CI:-} $(PY) -m pytest tests/cluster -m cluster

chaos: .venv/.dev
	@$(PY) -m tests.chaos

.venv/.demo: requirements-demo.lock scripts/make-venv pyproject.toml
	@scripts/make-venv requirements-demo.lock .venv/.demo

.venv/.dev: requirements-dev.lock scripts/make-venv pyproject.toml
	@scripts/make-venv requirements-dev.lock .venv/.dev

# The locks hold hashes and no address, so that any mirror serves them.
lock: .venv/.dev
	@compile='.venv/bin/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header -q'; \
	$$compile -o requirements.lock; \
	$$compile --extra demo -c requirements.lock -o requirements-demo.lock; \
	$$compile --all-extras -c requirements.lock -o requirements-dev.lock

clean:
	@rm -rf .venv .inquest .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
