# make demo, make test: each sets up .venv by itself on a fresh machine. Everything else builds on it.
PYTHON ?= python3
BIN := .venv/bin
PLUGINS := $(wildcard plugins/*/pyproject.toml contrib/*/pyproject.toml)
EDITABLE := $(foreach file,$(PLUGINS),-e $(patsubst %/pyproject.toml,%,$(file)))
# Tests start many processes: each would compile the core anew if none might keep what it compiled.
TESTING := env -u PYTHONDONTWRITEBYTECODE OMP_NUM_THREADS=1
# worksteal: the tests of a module stay together, and so does what it has fitted for them.
SPREAD := -n auto --dist worksteal
PYTEST := $(TESTING) $(BIN)/python -m pytest
SETS ?= snips,magnetic_tile,magnetic_tile@5,cifar10_2k,churn,california_housing,pokemon
DATA ?= data
PAIRS ?= 3
DEMOS := easy_vqa college_earnings
RESULTS ?= build/bench

.PHONY: help env demo test test-slow test-lowest lint format bench bench-speed docs constraints check-plugin clean

help:
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/'

env: .venv/ready ## create .venv with the core, every plugin and the development tools

.venv/ready: pyproject.toml $(PLUGINS)
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet $(if $(CONSTRAINTS),-c $(CONSTRAINTS)) -e '.[dev,demo]' $(EDITABLE)
	touch $@

demo: env ## train on real data, print scores, write demo/report.md and a page on each model
	$(BIN)/mm demo --out demo
	$(foreach name,$(DEMOS),$(BIN)/mm report demo/$(name) demo/$(name)_test.csv --out demo/$(name).html &&) true
	@echo
	@echo 'How good each model is, and where it fails: open $(DEMOS:%=demo/%.html)'
	@echo 'Try one in the browser: $(BIN)/mm serve demo/$(firstword $(DEMOS)), then http://127.0.0.1:8080/'

test: env ## every test of core and plugins but the slow ones
	$(PYTEST) $(SPREAD) -m 'not slow' $(ARGS)

test-slow: env ## the slow tests too
	$(PYTEST) $(SPREAD) -m slow $(ARGS)

test-lowest: .venv-lowest/ready ## make test, with the lowest versions that the packages promise to work with
	$(TESTING) .venv-lowest/bin/python -m pytest $(SPREAD) -m 'not slow' $(ARGS)

# Of what the packages name the lowest, of what that needs whatever goes with it.
.venv-lowest/ready: pyproject.toml $(PLUGINS)
	$(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/pip install --quiet --upgrade pip uv
	printf '%s\n' '-e .[demo]' $(patsubst %/pyproject.toml,'-e %',$(PLUGINS)) > .venv-lowest/packages.txt
	.venv-lowest/bin/uv pip compile --quiet --resolution lowest-direct .venv-lowest/packages.txt \
		| grep -v '^-e' > .venv-lowest/constraints.txt
	.venv-lowest/bin/pip install --quiet -c .venv-lowest/constraints.txt -e '.[dev,demo]' $(EDITABLE)
	touch $@

lint: env ## style, types, and who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: env ## rewrite files in the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: bench-speed ## scores, time and memory against hand-written loops; DATA=folder of data sets
	$(BIN)/python -m benchmarks.scores --data $(DATA) --sets $(SETS) --out $(RESULTS)/scores.json

bench-speed: env .venv-slim/ready ## time and memory alone, on a machine that does nothing else
	$(BIN)/python -m benchmarks.speed --data $(DATA) --pairs $(PAIRS) --out $(RESULTS)/speed.json
	.venv-slim/bin/python -m benchmarks.speed --data $(DATA) --pairs $(PAIRS) \
		--cases table_500x30 --out $(RESULTS)/speed_slim.json
	$(BIN)/python -m benchmarks.scaling --out $(RESULTS)/scaling.json

.venv-slim/ready: pyproject.toml plugins/mm-tabular/pyproject.toml # what a user of tables installs
	$(PYTHON) -m venv .venv-slim
	.venv-slim/bin/pip install --quiet $(if $(CONSTRAINTS),-c $(CONSTRAINTS)) -e . -e plugins/mm-tabular
	touch $@

docs: env ## check that the documentation matches the code, and run its examples
	$(PYTEST) tests/docs

check-plugin: env ## one plugin against the rules of its contract: make check-plugin NAME=text
	$(BIN)/mm plugins doctor $(NAME)
	$(BIN)/mm plugins check $(NAME)

constraints: env ## write down the versions that this environment holds
	$(BIN)/pip freeze --exclude-editable > constraints.txt

clean: ## remove what make made
	rm -rf .venv .venv-slim .venv-lowest demo
