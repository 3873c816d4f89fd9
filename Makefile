# Every target needs make and Python 3.11 or newer, and nothing that was made before.
VENV := .venv
BIN := $(VENV)/bin
DATA ?= ./data
# How many processes the tests run in; 0 is one process, for a debugger.
WORKERS ?= 2
# Further arguments of `make run`, `make test`, `make bench` and `make stories`, as in: make test ARGS="-k resume"
ARGS ?=

# Empty files that say when their step last ended well, so that a second `make` does nothing twice.
RUNTIME := $(VENV)/.runtime-installed
DEV := $(VENV)/.dev-installed
BYTECODE := $(VENV)/.bytecode-compiled

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev run test test-permify bench conformance mutate-authz stories screenshots check check-format check-lint check-types check-imports \
	check-protos release-protos protos format lock clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(BYTECODE)  ## make .venv with what Beep needs to run, .venv/bin/beep included
setup-dev: $(DEV)  ## add what its tests and checks need

run: $(BYTECODE)  ## serve, with the data under ./data (DATA=…, ARGS="--port 9000")
	@exec $(BIN)/beep up --data "$(DATA)" $(ARGS)

test: $(DEV)  ## run all tests (WORKERS=2, ARGS="tests/unit -k snowflake")
	$(BIN)/python -m pytest -n $(WORKERS) $(ARGS)

test-permify: $(DEV)  ## run only the tests in which a real Permify decides; fail without one (CONTRIBUTING.md)
	BEEP_REQUIRE=permify $(BIN)/python -m pytest -n $(WORKERS) -m permify $(ARGS)

bench: $(DEV)  ## measure throughput, latency and memory
	$(BIN)/python -m bench $(ARGS)
bench-against: $(DEV)  ## the same figures of this Beep and of the one of another commit, in turn (COMMIT=a9c9748)
	$(BIN)/python -m bench.side_by_side $(COMMIT) $(ARGS)

# What it has found with many calls, `make test` finds again with few, which are the same each time.
EXAMPLES ?= 200
conformance: $(DEV)  ## play the OpenAPI document with many generated calls (EXAMPLES=200 of each kind; 10 minutes)
	CONFORMANCE_EXAMPLES=$(EXAMPLES) $(BIN)/python -m pytest tests/conformance $(ARGS)

mutate-authz: $(DEV)  ## plant defects of decisions, and remove each check of rights: see each noticed (5 minutes)
	$(BIN)/python -m scripts.mutate_authz

# With a space instead of the equals sign pytest would take the page, once it exists, for a test and look for its
# settings beside it.
stories: $(DEV)  ## run the tests of the stories and write docs/stories.md
	$(BIN)/python -m pytest -n $(WORKERS) -m story --stories-report=docs/stories.md $(ARGS)

check: check-format check-lint check-types check-imports check-protos  ## run every check below; no tests

check-format: $(DEV)  ## is everything formatted? (make format mends it)
	$(BIN)/ruff format --check --quiet
check-lint: $(DEV)  ## ruff's rules
	$(BIN)/ruff check --quiet --output-format concise
check-types: $(DEV)  ## mypy --strict
	$(BIN)/mypy
check-imports: $(DEV)  ## who may import whom
	$(BIN)/lint-imports --no-logo
check-protos: $(DEV)  ## are the contracts well-formed, in step with their stubs, and compatible?
	$(BIN)/buf lint protos
	$(BIN)/python scripts/gen_protos.py --check
	$(BIN)/buf breaking protos --against protos/released.binpb

release-protos: $(DEV)  ## make today's contracts the ones that later changes may not break
	$(BIN)/buf build protos --exclude-source-info -o protos/released.binpb

protos: $(DEV)  ## write the stubs of protos/ into gen/
	$(BIN)/python scripts/gen_protos.py

format: $(DEV)  ## format, and mend what ruff can mend
	$(BIN)/ruff check --fix --quiet
	$(BIN)/ruff format --quiet

screenshots: $(DEV)  ## take the pictures of the README anew (needs Chromium)
	BEEP_SCREENSHOTS=1 $(BIN)/python -m pytest tests/web/test_access.py $(ARGS)

UV ?= uv
LOCK := $(UV) pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet
lock:  ## write both locks anew from pyproject.toml (needs uv; ARGS=--upgrade takes newer versions)
	$(LOCK) pyproject.toml --group build --output-file requirements.lock $(ARGS)
	$(LOCK) pyproject.toml --group build --group dev --constraint requirements.lock \
		--output-file requirements-dev.lock $(ARGS)

clean:  ## remove what the targets made, but never the data
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find services gen scripts tests -name __pycache__ -type d -prune -exec rm -rf {} +

# The venv's python is a link to one that is older than any stamp: only its existence counts.
$(BIN)/python:
	@for python in $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11); do \
		if "$$python" -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			echo "Making $(VENV) with $$("$$python" --version)"; \
			exec "$$python" -m venv $(VENV); \
		fi; \
	done; \
	echo "Beep needs Python 3.11 or newer with its venv module (Debian, Ubuntu: apt install python3-venv);" >&2; \
	echo "none of these is one: $(or $(PYTHON),python3 python3.14 … python3.11). Name yours: make PYTHON=/path/to/python3" >&2; \
	exit 1

# $(call install,LOCK): exactly what the lock names, checked against its hashes, then Beep itself as a link to
# this directory. Bytecode is compiled here, on all cores, so that the first start is as fast as the second, even
# where PYTHONDONTWRITEBYTECODE is set; some packages ship files that no Python compiles, which harms nobody.
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install --no-compile
define install
	@echo "Installing what $(1) names: this takes a minute, once"
	@$(PIP) --require-hashes --requirement $(1)
	@$(PIP) --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -qq -j 0 $(VENV)/lib >/dev/null 2>&1 || true
endef

$(RUNTIME): requirements.lock pyproject.toml | $(BIN)/python
	$(call install,requirements.lock)
	@touch $@

# The development lock holds all of the other one, in the same versions.
$(DEV): requirements-dev.lock pyproject.toml | $(BIN)/python
	$(call install,requirements-dev.lock)
	@touch $(RUNTIME) $@

$(BYTECODE): $(RUNTIME) $(shell find services gen -name '*.py')
	@$(BIN)/python -m compileall -qq services gen
	@touch $@
