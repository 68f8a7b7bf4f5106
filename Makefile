# Everything happens in .venv of this checkout; the network is needed for the first time only.
# Recipes quote every path and name files relative to the checkout, whose own path may contain spaces.

SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# How many processes share the tests: they wait more than they work, so twice as many as small machines have cores.
# What pytest makes of the tests' files is kept for the next time, whatever the environment says.
TESTERS ?= 4

# The oldest Python that will do is 3.11; PYTHON=/path/to/python chooses another.
PYTHON ?=
BIN := .venv/bin
RUN := $(BIN)/.ready-to-run
DEV := $(BIN)/.ready-to-test
SOURCES := api workers hourpost migrations tests bench hatch_build.py
COMPILE := pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header \
	--no-emit-index-url --no-emit-find-links

# Of the machine's, the first that was built with profiles: one that was compiled without a word more takes 1.2 to
# 1.5 times as long. What says so is how it was configured; what a distribution put into /usr is, and does not say so.
FIT_PYTHON = import sys, sysconfig, venv, ensurepip; \
	built = str(sysconfig.get_config_var("CONFIG_ARGS")); \
	sys.exit(sys.version_info < (3, 11) \
	or sys.argv[1] == "profiled" and sys.base_prefix != "/usr" and "--enable-optimizations" not in built)

FIND_PYTHON = if [ -n "$(PYTHON)" ]; then set -- "$(PYTHON)"; \
	else set -- python3 python3.13 python3.12 python3.11 python3.14 python /usr/bin/python3; fi; \
	for wish in profiled any; do for python in "$$@" ''; do [ -n "$$python" ] || break; \
	"$$python" -c '$(FIT_PYTHON)' $$wish 2>/dev/null && break 2; done; done; \
	[ -n "$$python" ] || { echo 'Hourpost needs Python 3.11 or newer with venv; set PYTHON=/path/to/python.' >&2; exit 1; }

# uv of the machine where there is one, else one of our own in .venv.
UV = uv=$$(command -v uv) && "$$uv" --version >/dev/null 2>&1 || { uv=$(BIN)/uv; [ -x "$$uv" ] || \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt; }

INSTALL = "$$uv" pip install --quiet --compile-bytecode --python $(BIN)/python

.PHONY: help run test lint bench drill assets screenshots format lock clean

help: ## Say what there is to do
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

run: $(RUN) assets ## Run the whole service in the foreground; Ctrl-C stops it
	@$(BIN)/hourpost up

test: $(DEV) assets ## Run all tests on a real PostgreSQL and Redis
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n $(TESTERS)

# mypy takes most of it, and one core.
lint: $(DEV) ## Style, types, architecture, dependencies
	@$(BIN)/ruff check $(SOURCES)
	@$(BIN)/ruff format --check --quiet $(SOURCES)
	@$(BIN)/mypy & types=$$!; \
	$(BIN)/lint-imports --no-cache && $(BIN)/deptry . && \
	$(BIN)/python -m pytest --noconftest tests/test_architecture.py; others=$$?; \
	wait $$types && exit $$others

bench: $(DEV) assets ## Measure from outside, beside Postfix where installed; CASES="single smtp" picks
	@$(BIN)/python -m bench.run $(CASES)

drill: $(DEV) assets ## Kill everything in turn under load, and count what was lost; ten mail clients at once for a minute
	@$(BIN)/python -m bench.drill
	@TOGETHER_SECONDS=60 $(BIN)/python -m pytest -q tests/api/imap/test_together.py

assets: | $(RUN) ## Bundle the dashboard's scripts and styles, where they changed
	@$(BIN)/python hatch_build.py

screenshots: $(DEV) assets ## Picture every page, phone and desktop, light and dark, into var/screenshots
	@$(BIN)/python -m tests.end_to_end.screenshots

format: $(DEV) ## Put the sources into shape
	@$(BIN)/ruff check --fix --quiet $(SOURCES)
	@$(BIN)/ruff format --quiet $(SOURCES)

lock: $(BIN)/python ## Lock the newest dependencies, with hashes and without naming an index
	@$(UV); \
	"$$uv" $(COMPILE) --upgrade --group build pyproject.toml -o requirements/run.txt && \
	"$$uv" $(COMPILE) --upgrade --group build --group dev pyproject.toml -o requirements/dev.txt && \
	echo uv | "$$uv" $(COMPILE) --upgrade --no-annotate - -o requirements/uv.txt

clean: ## Remove .venv and what tools leave behind; var/ with its data stays
	@rm -rf .venv .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@rm -rf api/web/dashboard/static api/web/dashboard/assets/node_modules
	@find api workers hourpost migrations tests bench -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(FIND_PYTHON); echo "Making .venv with $$("$$python" --version)"; "$$python" -m venv .venv

# The stamp of the tests' lock also satisfies the other: dev.txt holds everything of run.txt.
$(RUN): requirements/run.txt requirements/uv.txt pyproject.toml | $(BIN)/python
	@echo "Installing what Hourpost runs on"
	@$(UV); $(INSTALL) --require-hashes -r requirements/run.txt && \
	$(INSTALL) --no-deps --no-build-isolation --offline --editable . && \
	$(BIN)/python -m compileall -q api workers hourpost migrations && touch $@

$(DEV): requirements/dev.txt requirements/uv.txt pyproject.toml | $(BIN)/python
	@echo "Installing what Hourpost runs on and is tested with"
	@$(UV); $(INSTALL) --require-hashes -r requirements/dev.txt && \
	$(INSTALL) --no-deps --no-build-isolation --offline --editable . && \
	$(BIN)/python -m compileall -q api workers hourpost migrations && touch $(RUN) $@
