# SupportMax in a few words; `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.ONESHELL:

PYTHON ?= python3
PORT ?=
# uv is taken from the PATH, or put into .uv/ (nothing outside this folder is touched).
UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
BIN := .venv/bin
# Compiled bytecode: a start takes 20 s with it and 80 s without.
INSTALL := $(UV) pip install --quiet --python $(BIN)/python --compile-bytecode --require-hashes
export PYTHONDONTWRITEBYTECODE :=
# Tests that start a product want the machine to themselves, as those do that are marked so; of all
# others one runs on each core, and on 8 at most: every process collects all tests anew.
ALONE := cluster or alone
SIDE_BY_SIDE := --numprocesses=logical --maxprocesses=8 --dist=worksteal
# Programs that others wrote, whose dependencies are not ours: each has an environment of its own.
JUDGES := $(foreach judge,llmock direct-line agent-engine schemathesis scim moto names,.judges/$(judge)/installed)

.PHONY: help
help: ## list what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.PHONY: run
run: .venv/run ## install and start on http://127.0.0.1:8000 (PORT= changes it); Ctrl-C stops everything
	@exec $(BIN)/supportmax run $(if $(PORT),--port $(PORT))

.PHONY: test
test: .venv/dev judges ## install and run every test
	@failed=0
	part() { $(BIN)/python -m pytest "$$@" || { failed=$$?; [ $$failed = 1 ] || exit $$failed; }; }
	part $(SIDE_BY_SIDE) -m "not ($(ALONE)) and not ad"
	part -m "($(ALONE)) and not ad"
	exit $$failed

.PHONY: check
check: .venv/dev ## format, lint, types, imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

.PHONY: bench
bench: .venv/dev ## measure the road against a bare relay and each platform's calls; writes bench.json
	$(BIN)/python -m tests.bench

.PHONY: chaos
chaos: .venv/dev ## only the tests that break things
	$(BIN)/python -m pytest -m chaos

.PHONY: test-ad
test-ad: .venv/dev ## sign-on against a real Active Directory (Samba's; root, some minutes, installs it where missing)
	@if ! command -v samba-tool >/dev/null; then
	  [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null || { echo "samba-tool is missing: install Debian's samba-ad-dc and samba-ad-provision, and run this as root" >&2; exit 1; }
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends samba-ad-dc samba winbind samba-ad-provision samba-dsdb-modules samba-vfs-modules
	fi
	$(BIN)/python -m pytest -m ad tests/contract/test_active_directory.py

.PHONY: setup
setup: .venv/dev judges ## install everything for work on SupportMax itself

.PHONY: judges
judges: $(JUDGES) tests/judges/node_modules/.installed ## install the programs of others that tests/judges asks

.PHONY: format
format: .venv/dev ## write the format and the fixes that need no thought
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: lock
lock: $(UV) ## resolve the dependencies anew
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --upgrade pyproject.toml -o requirements.lock
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --upgrade --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock
	for judge in llmock direct-line agent-engine schemathesis scim moto names; do
	  $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --upgrade tests/judges/$$judge.in -o tests/judges/$$judge.lock
	done

.uv/bin/uv: requirements-uv.lock
	@echo "installing uv into .uv/ …"
	$(PYTHON) -m venv .uv
	.uv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-uv.lock
	@touch $@

.venv/bin/python: | $(UV)
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { echo "SupportMax needs Python 3.11 to 3.13; name one, as in: make run PYTHON=python3.12" >&2; exit 1; }
	$(UV) venv --quiet --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')" .venv

.venv/run: requirements.lock pyproject.toml | .venv/bin/python $(UV)
	@echo "installing SupportMax into .venv/ …"
	$(INSTALL) -r requirements.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --editable .
	$(BIN)/python -m compileall -q actors config deployments routing
	@touch $@

.venv/dev: requirements-dev.lock .venv/run
	@echo "installing what the tests need into .venv/ …"
	$(INSTALL) -r requirements-dev.lock
	@touch $@

.judges/%/installed: tests/judges/%.lock | .venv/bin/python $(UV)
	@echo "installing the judge $* into .judges/$*/ …"
	$(UV) venv --quiet --clear --python $(BIN)/python .judges/$*
	$(UV) pip install --quiet --python .judges/$*/bin/python --compile-bytecode --require-hashes -r $<
	@touch $@

# Their install scripts are not run: all there is among them is one that reports to its makers.
# Node.js 22 is among them, for the MCP project's judges; `npm ci` itself runs on the machine's own.
tests/judges/node_modules/.installed: tests/judges/package-lock.json tests/judges/package.json
	@echo "installing Prism, the MCP judges and Node.js into tests/judges/node_modules/ …"
	cd tests/judges
	npm ci --silent --ignore-scripts --no-audit --no-fund && touch node_modules/.installed \
	  || echo "npm is missing or failed; the tests that need it are skipped, or fail where CI=true" >&2
