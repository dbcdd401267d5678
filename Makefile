# `make demo` shows it working, `make test` proves it; both set up everything they need in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 2
# Modules are compiled when they are first imported, and then kept: to compile all that is installed takes minutes.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test docs bench soak fuzz lint clean

demo: $(VENV)/installed
	$(BIN)/python examples/demo.py

test: $(VENV)/installed lint
	$(BIN)/python -m pytest -q -m "not slow and not soak" -n $(JOBS)
	$(BIN)/python -m pytest -q -m "slow and not soak" -n $(JOBS) --dist worksteal

# The documentation as a site, in build/docsite/site, which a browser opens as it is, without a server; a link that leads nowhere is an error.
docs: $(VENV)/installed
	$(BIN)/python -m docsite

# All benchmarks (hours; `python -m benchmarks --list` names them), or `make bench ONLY=start,build`. Results go to benchmarks/results/, and
# docs/explanation/performance.md is written from them; with MACHINE=word they stand beside those that are there.
bench: $(VENV)/installed
	$(BIN)/python -m benchmarks --only "$(ONLY)" --machine "$(MACHINE)"

# Searches that take hours; `make soak SEED=… NETS=…` searches again.
soak: $(VENV)/installed
	SEED=$(SEED) NETS=$(NETS) SECONDS=$(SECONDS) $(BIN)/python -m pytest -q -s -m soak

# One of the readers in tests/fuzz/targets.py: `make fuzz TARGET=yaml SECONDS=600`. What it finds is kept in build/fuzz.
fuzz: $(VENV)/installed
	$(BIN)/python -m tests.fuzz $(TARGET) --seconds $(or $(SECONDS),60)

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(VENV)/installed: pyproject.toml constraints.txt tests/peers.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "archc needs Python 3.11 or newer: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --no-compile -c constraints.txt -e ".[test,fuzz]"
	$(BIN)/python -m pip install -q --no-compile --no-deps -r tests/peers.txt
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info
