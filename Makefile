# Every command sets up what it needs by itself, into .venv/, on a machine with Python 3.11 to 3.13, pip and make.
SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
CART_HOME ?= $(CURDIR)/var
export CART_HOME
# Matrices are small; more threads of the linear algebra library only wait for each other.
export OPENBLAS_NUM_THREADS ?= 1
# A file's tests stay with one worker, so that what they share is set up once; the longest files begin first
# (tests/conftest.py). Tests that wait for daemons most of the time run beside both.
WORKERS := -n 2 --dist loadfile --no-loadscope-reorder
# Bytecode is kept whatever the caller's environment says: without it every process of a night compiles what it imports.
unexport PYTHONDONTWRITEBYTECODE
PACKAGES := study warehouse orchestration analysis_assets expectations synthetic_emr interchange benchmarks

.PHONY: help setup demo refresh ui daemon sql test test-quick lint format bench profile rotate-key rollback verify manifest dictionary lock clean

help:  ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | sed 's/:.*## /\t/' | expand -t 16

$(READY): requirements.lock
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed and none was found on the PATH."; exit 1; }
	@echo "Setting up $(VENV) (first time only, about a minute) ..."
	@test -x $(BIN)/python || "$(PYTHON)" -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	@$(BIN)/python -m compileall -q $(VENV)/lib $(PACKAGES) || true
	@touch $(READY)

setup: $(READY)  ## make the environment

demo: $(READY)  ## one nightly refresh on the bundled synthetic extract, with its headline figures
	@$(BIN)/python -m orchestration.demo

refresh: $(READY)  ## one nightly refresh on CART_EXTRACTS with CART_STUDY into CART_HOME
	@$(BIN)/python -m orchestration.refresh

ui: $(READY)  ## the Dagster UI, schedule and sensor on 127.0.0.1:3000
	@$(BIN)/python -m orchestration.ui

sql: $(READY)  ## read-only SQL shell on the published warehouse
	@$(BIN)/python -m warehouse.shell "$$CART_HOME"

profile: $(READY)  ## draft a source profile from the files in EXTRACTS
	@$(BIN)/python -m orchestration.extracts.draft_profile "$$EXTRACTS"

rotate-key: $(READY)  ## re-key lake and warehouse from CART_PSEUDONYM_KEY to CART_NEW_PSEUDONYM_KEY
	@$(BIN)/python -m orchestration.rotate_key

rollback: $(READY)  ## put the last kept version of the warehouse back in place
	@$(BIN)/python -m orchestration.operations rollback

verify: $(READY)  ## prove that the published warehouse is what its inputs make
	@$(BIN)/python -m orchestration.operations verify

manifest: $(READY)  ## parse the dbt project for Dagster
	@$(BIN)/python -m orchestration.manifest

dictionary: $(READY)  ## write docs/data-dictionary.md from the dbt project
	@$(BIN)/python docs/make_data_dictionary.py

test: $(READY) system-packages  ## every test
	@said=$$(mktemp); \
	$(BIN)/python -m pytest -m waits >"$$said" 2>&1 & waiting=$$!; \
	trap 'kill $$waiting 2>/dev/null; rm -f "$$said"' EXIT; \
	$(BIN)/python -m pytest $(WORKERS) -m "not waits"; others=$$?; \
	wait $$waiting; waited=$$?; cat "$$said"; exit $$((others || waited))

test-quick: $(READY)  ## the inner loop: without the slow tests
	@$(BIN)/python -m pytest $(WORKERS) -m "not slow"

lint: $(READY)  ## formatting, linting, types, SQL lint
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy $(PACKAGES)
	@$(BIN)/sqlfluff lint --processes 2 --disable-progress-bar dbt_project/models dbt_project/tests

format: $(READY)  ## format Python
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(READY)  ## the benchmarks: one JSON line per figure (SCALE=full for the large ones)
	@$(BIN)/python -m benchmarks

lock:  ## pin requirements.lock anew (needs uv on the PATH)
	uv pip compile pyproject.toml --extra dev --universal --generate-hashes --no-emit-index-url --no-header --no-annotate -q -o requirements.lock

# What pip can't bring, for the tests: taken from the system's package manager where that may be done.
.PHONY: system-packages
system-packages:
	@missing=""; \
	command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || missing="chromium"; \
	command -v systemd-analyze >/dev/null || missing="$$missing systemd"; \
	for name in faketime rsync; do command -v $$name >/dev/null || missing="$$missing $$name"; done; \
	if [ -n "$$missing" ]; then \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "Installing$$missing for the tests ..."; \
	    apt-get update -qq && apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	  else echo "Not on the PATH, so the tests that need it are left out: $$missing. Install it with your system's package manager."; fi; fi

clean:  ## remove caches and the demo's warehouse, not the environment
	@rm -rf dbt_project/target dbt_project/logs .pytest_cache .mypy_cache .ruff_cache .hypothesis var/demo
