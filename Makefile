# All that a checkout can do. `make` alone lists it.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
PYTEST := $(BIN)/python -m pytest $(if $(CI_NO_SKIPS),-p tests.no_skips)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test test-full faults bench lock clean check

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' Makefile

run: .venv/.project ## set up, then one whole pass over the site in this folder
	@$(BIN)/publisher run --once

test: check ## install what the tests need, then the checks and the tests of the first tier
	@.ci/system-packages test
	$(PYTEST) -n 2 --dist worksteal -m "not full"

test-full: check ## the same with WordPress, Postfix and other people's feed readers
	@.ci/system-packages full
	$(PYTEST) -n 2 --dist worksteal

faults: export PUBLISHER_KILLS ?= 1000
faults: export PUBLISHER_FAULTS ?= build/faults.md
faults: .venv/.tests ## kill Publisher at work and count what arrived; PUBLISHER_KILLS=100 makes it shorter
	@.ci/system-packages test
	$(PYTEST) -n 2 --dist worksteal tests/faults

bench: .venv/.tests ## time each step, feeds, mail, mailing APIs and events, each beside a peer or a limit of this machine
	@.ci/system-packages full
	$(BIN)/python -m benchmarks.steps
	$(BIN)/python -m benchmarks.audience
	$(BIN)/python -m benchmarks.personalise
	$(BIN)/python -m benchmarks.feeds
	$(BIN)/python -m benchmarks.smtp
	$(BIN)/python -m benchmarks.api
	$(BIN)/python -m benchmarks.events
	$(BIN)/python -m benchmarks.serving

check: .venv/.tests ## ruff and mypy alone
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

lock: ## write requirements/*.txt anew; UPGRADE=1 takes the newest versions
	.ci/lock $(PYTHON) $(if $(UPGRADE),--upgrade)

clean: ## remove the environment and what tools left behind; never a site's data
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# ---------------------------------------------------------------- the environment
# Each step leaves a stamp, so a second run is quick. All of it comes from the lock files, by hash.

$(BIN)/python:
	@.ci/environment $(PYTHON) .venv

.venv/.build: requirements/build.txt | $(BIN)/python
	@echo "Installing the locked requirements, once ..."
	@$(PIP) --require-hashes -r $<
	@touch $@

.venv/.run: requirements/run.txt .venv/.build
	@$(PIP) --require-hashes --no-build-isolation -r $<
	@touch $@

.venv/.project: pyproject.toml requirements/run.in requirements/hatch_build.py publisher/__init__.py .venv/.run
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

.venv/.tests: requirements/test.txt .venv/.project
	@echo "Installing what the tests need, once ..."
	@$(PIP) --require-hashes --no-build-isolation -r $<
	@touch $@
