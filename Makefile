# Two commands do all the set-up: `make demo` and `make test`. Each makes .venv where it is missing.
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --constraint constraints.txt

.PHONY: demo test test-slow test-portable test-portable-short test-site site lint bench datasets datasets-check leaderboards figures train-sb3 docs docs-serve clean

demo: .venv/.core
	$(BIN)/go-gym demo

test: .venv/.all
	$(BIN)/python -m pytest -n auto

test-slow: .venv/.all
	$(BIN)/python -m pytest -n auto -m slow

# the boards' pages in headless Chromium, the system's (Debian: apt-get install chromium) or that of
# `playwright install chromium`
test-site: .venv/.site
	$(BIN)/python -m pytest -m "slow or not slow" tests/site

# numeric tests again under other instruction sets, numbers of threads and hash seeds
test-portable: .venv/.all
	$(BIN)/python -m tests.portable

test-portable-short: .venv/.all
	$(BIN)/python -m tests.portable --short

lint: .venv/.all
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/.core
	$(BIN)/python benchmarks/against_c.py
	$(BIN)/python benchmarks/delta.py

datasets: .venv/.all
	$(BIN)/go-gym build-datasets

datasets-check: .venv/.all
	$(BIN)/go-gym build-datasets --check

leaderboards: .venv/.core
	$(BIN)/go-gym leaderboard leaderboards --update
	$(BIN)/go-gym verify leaderboards

# the boards as pages: runs/site/index.html
site: .venv/.core
	$(BIN)/go-gym site leaderboards --out runs/site

# the measured figures of README and docs, from the committed rows
figures: .venv/.core
	$(BIN)/python docs/figures/write.py

# PPO of Stable-Baselines3 on rnnlm-2 in 32 groups: runs/sb3/curve.png, half a minute
train-sb3: .venv/.all
	$(BIN)/python -m go_agents.sb3.train --agent sb3 --graph rnnlm-2 --cluster p100x2 --budget 20000

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/.core: pyproject.toml constraints.txt | .venv/bin/python
	$(INSTALL) --editable .
	touch $@

.venv/.all: .venv/.core
	$(INSTALL) --editable '.[capture,exact,learn,lint,record,test]'
	touch $@

.venv/.site: .venv/.all
	$(INSTALL) --editable '.[site-test]'
	touch $@

.venv/.docs: .venv/.all
	$(INSTALL) --editable '.[docs]'
	touch $@

# the documentation, with its tutorials run: runs/docs/index.html
docs: .venv/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

docs-serve: .venv/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve

clean:
	rm -rf .venv build dist *.egg-info
