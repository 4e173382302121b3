# Everything a newcomer needs, on a machine with Python 3.11 and make: `make run`, `make test`.
# Every target may be run again; what is already done is skipped by the stamp files in .venv.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3.11
HOST ?= 127.0.0.1
PORT ?= 8000
WORKERS ?= auto

# The tests start many processes: without bytecode each of them compiles the whole program first.
unexport PYTHONDONTWRITEBYTECODE

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
COMPILE := var/tools/bin/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe --newline=lf --no-header \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-emit-options --annotation-style=line

.PHONY: help setup run test check format bench docs screenshots requirements clean

help:  ## say what each target does
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## */make \1\t/' | expand -t 20

# ---- the environment -------------------------------------------------------------------------------------------------

.venv/.created:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed / 需要 Python 3.11 以上")'
	$(PYTHON) -m venv .venv
	touch $@

# The project is built with the setuptools that the hashed file pins, so nothing is fetched unchecked.
.venv/.installed: requirements/test.txt pyproject.toml | .venv/.created
	$(PIP) install --require-hashes -r requirements/test.txt
	$(PIP) install --no-deps --no-build-isolation --no-index -e .
	touch $@

.venv/.bench: requirements/bench.txt .venv/.installed
	$(PIP) install --require-hashes -r requirements/bench.txt
	touch $@

setup: .venv/.installed  ## create .venv and install the project with everything its tests need

# ---- using it --------------------------------------------------------------------------------------------------------

# The database lies in the checkout, and is used again by the next run, unless BAOZHUANG_DATABASE names another one.
run: export BAOZHUANG_DATABASE ?= sqlite:///var/baozhuang.db
run: setup  ## set up, fill a database with the demonstration once, print address and key, serve
	mkdir -p var
	$(BIN)/baozhuang init
	$(BIN)/baozhuang demo --host $(HOST) --port $(PORT)
	$(BIN)/baozhuang serve --host $(HOST) --port $(PORT) --with-worker

# ---- holding it to its word ------------------------------------------------------------------------------------------

# Each worker begins with its part of the list in one piece, so that what a file sets up is set up once.
test: setup  ## run the tests on all cores (ARGS="-k name" for a few of them, WORKERS=0 one after the other)
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal $(ARGS)

check: setup  ## formatting, lint, types, import direction
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: setup  ## write the formatting and the lint fixes that are safe
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

bench: .venv/.bench  ## measure, beside a bare loop and two other engines
	$(BIN)/python -m bench $(ARGS)

docs: setup  ## draw the state diagrams in docs/ from the definitions
	$(BIN)/python -m workflow.diagrams

screenshots: setup  ## draw every page in both languages and two widths into var/screenshots (ARGS="board" for some)
	$(BIN)/python -m tests.web.screenshots $(ARGS)

# ---- the pinned versions ---------------------------------------------------------------------------------------------

var/tools/.installed: requirements/tools.txt
	$(PYTHON) -m venv var/tools
	var/tools/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements/tools.txt
	touch $@

requirements: var/tools/.installed  ## pin every package again by version and hash (UPGRADE=1 for newer versions)
	$(COMPILE) $(if $(UPGRADE),--upgrade) --output-file requirements/tools.txt requirements/tools.in
	$(COMPILE) $(if $(UPGRADE),--upgrade) --extra test --build-deps-for editable --output-file requirements/test.txt pyproject.toml
	$(COMPILE) --constraint requirements/test.txt --output-file requirements/base.txt pyproject.toml
	$(COMPILE) --constraint requirements/test.txt --extra bench --output-file requirements/bench.txt pyproject.toml

clean:  ## remove the environment, the demonstration's database and all caches
	rm -rf .venv var build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find definitions storage workflow tests bench -name __pycache__ -prune -exec rm -rf {} +
