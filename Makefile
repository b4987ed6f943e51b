# make demo: set everything up and show a first leaderboard.   make test: set up and run the tests.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

# Steady timings and no oversubscription when tests start worker processes.
export OMP_NUM_THREADS := 1

.DEFAULT_GOAL := help
.PHONY: help demo test test-all lint bench clean

help:
	@echo "make demo      set up .venv, run the quickstart suite, print its tables"
	@echo "make test      set up .venv, run lint and the default tests"
	@echo "make test-all  all tests, slow ones too"
	@echo "make lint      ruff and mypy"
	@echo "make bench     speed and memory benchmarks"

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

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache
