# Each target does all of its own set-up; nothing but python3 (>= 3.11, with venv) and make is needed.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CORE := engine risk funding exchange
# Tests wait for servers half of their time: twice as many at once as there are processors, at most four.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(min(2 * (os.cpu_count() or 1), 4))')
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help

.PHONY: help
help:  ## Show this help
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## */\1\t/' | sort | \
		while IFS=$$'\t' read -r target words; do printf '  make %-11s %s\n' "$$target" "$$words"; done

# --- set-up: one environment, a stamp for each lock ------------------------------------------------------------------

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Evermark needs Python 3.11 or newer")'
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }  # half of one would pass for a whole one the next time

$(VENV)/run.stamp: requirements.lock pyproject.toml | $(BIN)/python
	@echo "Installing what the exchange runs on ..."
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/dev.stamp: requirements-dev.lock client/pyproject.toml client/ccxt/pyproject.toml $(VENV)/run.stamp
	@echo "Installing what tests and checks need ..."
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable client --editable client/ccxt
	@touch $@

.PHONY: install
install: $(VENV)/run.stamp

# --- use -------------------------------------------------------------------------------------------------------------

.PHONY: run
run: $(VENV)/run.stamp  ## Start the exchange with demo accounts (PORT, DATA_DIR)
	@exec $(BIN)/evermark run

.PHONY: compile
compile: $(VENV)/dev.stamp  ## Compile the core with mypyc into build/core (needs gcc and Python.h)
	$(BIN)/python -m app.compiled

.PHONY: bench
bench: $(VENV)/dev.stamp  ## Measure book, core, risk, funding, journal, HTTP and streams
	$(BIN)/evermark bench

.PHONY: docs
docs: $(VENV)/dev.stamp  ## Build the documents as a site into build/site; a broken link fails
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

# --- checks ----------------------------------------------------------------------------------------------------------

.PHONY: test
test: $(VENV)/dev.stamp  ## Run the tests that take seconds
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

.PHONY: test-slow
test-slow: $(VENV)/dev.stamp  ## Run the tests that take minutes
	$(BIN)/python -m pytest -m slow --timeout 1800

.PHONY: simulate
simulate: $(VENV)/dev.stamp  ## Live a long seeded life of an exchange (SEED, COMMANDS)
	nice $(BIN)/python -m tests.simulation --seed $(or $(SEED),1) --commands $(or $(COMMANDS),1000000)

.PHONY: crash
crash: $(VENV)/dev.stamp  ## Rehearse a crash on the running server and write docs/reports (ACCOUNTS)
	$(BIN)/python -m bench.crash --accounts $(or $(ACCOUNTS),10000)

.PHONY: lint
lint: $(VENV)/dev.stamp  ## Check format and lint
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

.PHONY: types
types: $(VENV)/dev.stamp  ## Check types
	$(BIN)/mypy

.PHONY: check
check: lint types test  ## Check format, lint and types, then test

.PHONY: coverage
coverage: $(VENV)/dev.stamp  ## Branch coverage of the four pure folders
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --cov --cov-report=term-missing --cov-fail-under=95 tests

# --- keeping house ---------------------------------------------------------------------------------------------------

LOCK := $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-emit-find-links --custom-compile-command "make lock" --quiet --extra build

.PHONY: lock
lock: $(VENV)/dev.stamp  ## Pin every dependency with its hashes again
	$(LOCK) -o requirements.lock
	$(LOCK) --extra dev --extra docs --extra bench --constraint requirements.lock -o requirements-dev.lock

.PHONY: format
format: $(VENV)/dev.stamp  ## Format, and mend what lint can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: clean
clean:  ## Remove the environment and everything built (never DATA_DIR)
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage htmlcov
	find $(CORE) app tests bench -name __pycache__ -type d -prune -exec rm -rf {} +
