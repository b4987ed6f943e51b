# make demo: set everything up and show a first leaderboard.   make test: set up and run the tests.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

# Steady timings and no oversubscription when tests start worker processes.
export OMP_NUM_THREADS := 1

.DEFAULT_GOAL := help
.PHONY: help demo test test-all lint bench reference clean

# Suites whose tables are committed under results/reference.
REFERENCE := assoc-smoke associative-all pair-recall capacity budget matrix-vs-linear interference \
             episodic-events episodic-budget mqar sources-meta drift
# Those that need ETTh1.csv: make reference REFERENCE="etth1 hmem-ablation" after 'memb data path etth1'.
JOBS      := 2

help:
	@echo "make demo      set up .venv, run the quickstart suite, print its tables"
	@echo "make test      set up .venv, run lint and the default tests"
	@echo "make test-all  all tests, slow ones too"
	@echo "make lint      ruff and mypy"
	@echo "make bench     speed and memory benchmarks"
	@echo "make reference run the suites of results/reference and write their tables (about an hour)"

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) -e ".[dev]"
	$(PIP) -e ".[parity]" || echo "parity packages do not install here: their tests will be skipped"
	touch $(STAMP)

demo: $(STAMP)
	$(BIN)/memb run quickstart --jobs 2
	$(BIN)/memb compare results/quickstart

test: lint
	$(BIN)/python -m pytest -n 2

test-all: lint
	$(BIN)/python -m pytest -n 2 -m "not perf"

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(STAMP)
	$(BIN)/python -m pytest -m perf tests/perf --benchmark-columns=median,min,max,rounds

# A run goes on where it stopped; what is done already is not run again.
reference: $(STAMP)
	mkdir -p results/reference
	set -e; for suite in $(REFERENCE); do \
	  $(BIN)/memb run $$suite --jobs $(JOBS); \
	  { printf '# %s\n\n' $$suite; \
	    printf 'Written by `make reference` from a run of `suites/%s.yaml`.\n\n' $$suite; \
	    $(BIN)/memb compare results/$$suite --format markdown; \
	    printf '\n## Against cost\n\n'; \
	    $(BIN)/memb compare results/$$suite --pareto --format markdown; \
	  } > results/reference/$$suite.md; \
	done

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache
