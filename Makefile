# Two commands do everything on a machine that has only Python, make and gcc: make demo, make test.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
LITERT := .venv-litert

.PHONY: demo test test-floors test-litert lint types bench docs clean

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c "import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))" || \
		{ echo "Sightline needs Python 3.11, 3.12 or 3.13: make PYTHON=python3.12 ..."; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
		--editable ".[all]" --group dev
	touch $(READY)

demo: $(READY)
	$(BIN)/sightline demo

test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile tests

# Lowest and newest versions that pyproject.toml admits; .ci/floors says what PYTHON, VERSIONS and TESTS do.
test-floors:
	.ci/floors

# The converter to LiteRT holds others below what the rest takes, hence an environment of its own.
$(LITERT)/.ready: pyproject.toml
	$(PYTHON) -m venv --clear $(LITERT)
	$(LITERT)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(LITERT)/bin/python -m pip install --quiet --disable-pip-version-check --editable ".[litert]" pytest
	touch $@

# Without the import the tests would be skipped, and the target would pass.
test-litert: $(LITERT)/.ready
	$(LITERT)/bin/python -c "import ai_edge_litert, ai_edge_quantizer, litert_torch"
	OMP_NUM_THREADS=1 $(LITERT)/bin/python -m pytest tests/contracts/test_exports.py -k litert

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

bench: $(READY)
	$(BIN)/python benchmarks/run.py

docs: $(READY)
	$(BIN)/python docs/build.py

clean:
	rm -rf $(VENV) .venv-floors $(LITERT) build dist site runs .pytest_cache .mypy_cache .ruff_cache .hypothesis
