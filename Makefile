# Two commands do everything: `make search` and `make test`. Both make .venv first where there is none, with the exact
# versions of constraints.txt. `make help`, or `make` alone, prints all targets with the comments that they have here.
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/pip install --quiet --constraint constraints.txt

.PHONY: help search test coverage check bench device stress clean
.DELETE_ON_ERROR:

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "%-10s%s\n", $$1, $$2}' Makefile

search: .venv/installed ## search both nets on the digits, confirm and test both winners
	$(BIN)/mlpsearch run digits-numpy > /dev/null
	$(BIN)/mlpsearch run digits-torch > /dev/null
	$(BIN)/mlpsearch status

# Two processes, which take a file at a time, since fixtures are made once for a file, in the order in which pytest has
# them: the last are short.
PYTEST := $(BIN)/python -m pytest -m "not stress" -n 2 --dist loadfile --no-loadscope-reorder
# The tests start hundreds of processes, which should not all compile the same modules again.
test coverage: export PYTHONDONTWRITEBYTECODE =

test: .venv/installed-dev ## the whole test suite, in two processes; arguments for pytest in ARGS
	$(PYTEST) $(ARGS)

coverage: .venv/installed-dev ## the same, and which share of the lines of each room ran; slower
	$(PYTEST) --cov --cov-report= $(ARGS)
	@for room in models studies search; do \
		printf '%-10s%3s%%\n' $$room "$$($(BIN)/coverage report --format=total --include="$$room/*")"; done
	@printf '%-10s%3s%%\n' total "$$($(BIN)/coverage report --format=total)"

bench: .venv/installed-dev ## how fast the nets train, beside others and the limit
	$(BIN)/python -m benchmarks.training

device: .venv/installed-dev ## whether nets are right on a GPU, and how fast; ARGS='--data PATH' for CIFAR-10 too
	$(BIN)/python -m benchmarks.device $(ARGS)

stress: .venv/installed-dev ## the long forms of tests; they take long
	$(BIN)/python -m pytest -m stress -s $(ARGS)

check: .venv/installed-dev ## lint, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean: ## everything that the other targets made, but not your studies
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/installed: .venv/bin/python pyproject.toml constraints.txt
	$(INSTALL) --editable .
	touch $@

.venv/installed-dev: .venv/bin/python pyproject.toml constraints.txt
	$(INSTALL) --editable '.[dev]'
	touch .venv/installed $@
