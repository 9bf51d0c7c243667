# README's two commands are `make serve` and `make test`. Each makes its own virtual environment on a fresh machine.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: install serve test lint types eval clean

$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

install: $(VENV)/installed

serve: install
	$(BIN)/pincite index seeds
	$(BIN)/pincite serve

test: install lint types
	$(BIN)/python -m pytest

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install
	$(BIN)/mypy

eval: install
	$(BIN)/pincite index seeds
	$(BIN)/pincite eval seeds/gold.jsonl

clean:
	rm -rf $(VENV) .pincite
