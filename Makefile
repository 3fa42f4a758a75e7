# Two commands do everything: `make search` and `make test`. Both make .venv first where there is none.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: search test check bench stress clean
.DELETE_ON_ERROR:

search: .venv/installed ## search both nets on the digits, confirm and test both winners
	$(BIN)/mlpsearch run digits-numpy > /dev/null
	$(BIN)/mlpsearch run digits-torch > /dev/null
	$(BIN)/mlpsearch status

test: .venv/installed-dev ## the whole test suite; arguments for pytest in ARGS
	$(BIN)/python -m pytest -m "not stress" $(ARGS)

bench: .venv/installed-dev ## how fast the nets train, beside others and the limit
	$(BIN)/python -m benchmarks.training

stress: .venv/installed-dev ## the long forms of the reliability tests; they take long
	$(BIN)/python -m pytest -m stress -s $(ARGS)

check: .venv/installed-dev ## lint, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean: ## everything that the other targets made, but not your studies
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/installed: .venv/bin/python pyproject.toml
	$(BIN)/pip install --quiet --editable .
	touch $@

.venv/installed-dev: .venv/bin/python pyproject.toml
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch .venv/installed $@
