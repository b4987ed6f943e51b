# make demo: set everything up and show a first leaderboard.   make test: set up and run the tests.
# make check: hold a small suite against its committed baseline.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

# Steady timings and no oversubscription when tests start worker processes.
export OMP_NUM_THREADS := 1

.DEFAULT_GOAL := help
.PHONY: help demo test test-all check baseline lint bench reference leaderboard browser clean

# Suites whose records are committed under results/records, and their tables under results/reference.
REFERENCE := assoc-smoke associative-all pair-recall capacity budget matrix-vs-linear interference \
             episodic-events episodic-budget mqar sources-meta drift spectral-kv spectral-online \
             arc-routing arc-continual arc-real
# Suites on licensed data, of which tables alone are committed: they need ETTh1.csv, see
# 'memb data path etth1'.  make reference REFERENCE= LICENSED="etth1 hmem-ablation spectral-etth1"
LICENSED  :=
JOBS      := 2

help:
	@echo "make demo      set up .venv, run the quickstart suite, print its tables"
	@echo "make test      set up .venv, run lint and the default tests"
	@echo "make test-all  all tests, slow ones too"
	@echo "make check     run a small suite and hold it against results/baselines/check.json"
	@echo "make baseline  write that baseline anew: a change to review, never automatic"
	@echo "make lint      ruff and mypy"
	@echo "make browser   install chromium, in which reports are tested (Debian, as root)"
	@echo "make bench     speed and memory benchmarks"
	@echo "make reference run the suites of results/reference and write their tables (about an hour)"
	@echo "make leaderboard  write results/README.md and its tables from the committed records"

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) -e ".[dev]"
	$(PIP) -e ".[parity]" || echo "parity packages do not install here: their tests will be skipped"
	$(PIP) -e ".[browser]" || echo "playwright does not install here: tests in a browser will be skipped"
	touch $(STAMP)

demo: $(STAMP)
	$(BIN)/memb run quickstart --jobs 2
	$(BIN)/memb compare results/quickstart

test: lint
	$(BIN)/python -m pytest -n 2

test-all: lint
	$(BIN)/python -m pytest -n 2 -m "not perf"

# Trials run anew: what keys them does not cover the engine, which is checked here too.
CHECK := $(BIN)/memb check suites/check.yaml --baseline results/baselines/check.json \
         --output build/check/run --fresh --jobs $(JOBS)

check: $(STAMP)
	$(CHECK) --report junit=build/check/junit.xml --report markdown=build/check/summary.md \
	  --report json=build/check/check.json

baseline: $(STAMP)
	$(CHECK) --update-baseline

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Best effort: without a browser the tests that need one are skipped by name.
browser: $(STAMP)
	command -v chromium || { apt-get update -qq && apt-get install -y -qq chromium; } \
	  || echo "no chromium here: tests in a browser will be skipped"

bench: $(STAMP)
	$(BIN)/python -m pytest -m perf tests/perf --benchmark-columns=median,min,max,rounds

# A run goes on where it stopped; what is done already is not run again.
reference: $(STAMP)
	set -e; for suite in $(REFERENCE) $(LICENSED); do $(BIN)/memb run $$suite --jobs $(JOBS); done
	set -e; for suite in $(REFERENCE); do \
	  rm -rf results/records/$$suite; \
	  $(BIN)/memb merge results/$$suite --slim -o results/records/$$suite; \
	done
	$(BIN)/python -m bench.leaderboard $(addprefix results/,$(LICENSED))

# From the committed records alone: nothing is run.
leaderboard: $(STAMP)
	$(BIN)/python -m bench.leaderboard

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache
