# README's two commands are `make serve` and `make test`. Each makes its own virtual environment on a fresh machine.
PYTHON ?= python3
VENV := .venv
CYCLES ?= 500
ROUNDS ?= 5
SEED ?= 0
BIN := $(VENV)/bin
AXE := .browser/node_modules/axe-core/axe.min.js

.PHONY: install serve test browser lint types eval crash fuzz load cluster image image-check clean

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
	$(BIN)/python -m pytest -rs

# What the browser's tests check accessibility with; it is fetched, not kept here. Chromium is the machine's own.
browser: $(AXE)

$(AXE):
	npm install --silent --prefix .browser --no-save --ignore-scripts --no-audit --no-fund axe-core@4.14.1

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install
	$(BIN)/mypy

eval: install
	$(BIN)/pincite index seeds
	$(BIN)/pincite eval seeds/gold.jsonl

# Kills a process that writes a store so often, and looks each time at what it left.
crash: install
	PYTHONPATH=tests $(BIN)/python tests/index/crash.py --cycles $(CYCLES) --seed $(SEED)

# Sends every call of the service whatever its own OpenAPI document allows, and what it does not.
fuzz: install
	$(BIN)/python -m pytest -m slow tests/api/test_fuzz.py

# Kills parts of a service and of a run of `index`, on a Ray cluster of this machine's, under load.
cluster: install
	ROUNDS=$(ROUNDS) $(BIN)/python -m pytest -rs -m cluster tests/cluster -s

# Some five minutes of clients by the dozen; the figures go to load.json too. See `python -m benchmarks.load --help`.
load: install
	$(BIN)/pincite index seeds
	$(BIN)/python -m benchmarks.load --json load.json

image:
	docker build --tag pincite .

# What the Dockerfile does, step by step, in a folder of its own: for where there is no container runtime.
image-check:
	sh scripts/image_check.sh

clean:
	rm -rf $(VENV) .browser .pincite
