# make demo       the shop, in a browser: prints what to open, runs until Ctrl-C
# make demo-auto  the same story played without a person, in Chromium; fails if any of it does not happen
# make test       every test
# make bench      the figures of the engine, each beside its floor
# make screenshots  the pictures in docs/pictures, of a demo in Chromium
# make lint       style, types, and which part may import which

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
INPUTS := pyproject.toml constraints.txt
TYPED := $(wildcard src tests bench examples)

export PYTHONUNBUFFERED := 1

.DEFAULT_GOAL := help
.PHONY: help demo demo-auto test bench screenshots lint format venv clean

help:
	@sed -n 's/^# make/make/p' Makefile

demo: $(VENV)/.has-shop
	@exec $(BIN)/python examples/shop/demo.py

demo-auto: $(VENV)/.has-shop
	@chromium=$$(scripts/need-chromium) && CHROMIUM="$$chromium" exec $(BIN)/python examples/shop/demo_auto.py

# The sources are compiled once, not by each of a thousand processes that may not keep what they
# compile. Three files at a time, since tests also wait, the longest first; below a short path, which
# sockets need. What holds the engine to a second, or measures it, runs alone.
ALONE := tests/bench $(addprefix tests/web/test_,live.py live_within_a_second.py inbox_in_a_browser.py)
test: $(VENV)/.has-all
	@$(BIN)/python -m compileall -q src
	@chromium=$$(scripts/need-chromium) && export CHROMIUM="$$chromium" && dir=$$(mktemp -d) && \
	  trap 'rm -rf "$$dir"' EXIT && if [ -n "$(ARGS)" ]; then $(BIN)/python -m pytest $(ARGS); else \
	  $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder --basetemp="$$dir/t" tests $(ALONE:%=--ignore=%) && \
	  $(BIN)/python -m pytest $(ALONE); fi

bench: $(VENV)/.has-all
	$(BIN)/python -m bench $(ARGS)

screenshots: $(VENV)/.has-all
	@chromium=$$(scripts/need-chromium) && CHROMIUM="$$chromium" $(BIN)/python -m tests.web.screenshots
	@chromium=$$(scripts/need-chromium) && CHROMIUM="$$chromium" $(BIN)/python examples/shop/film.py docs/pictures/story.gif

lint: $(VENV)/.has-all
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(TYPED)
	$(BIN)/lint-imports --no-cache

format: $(VENV)/.has-all
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

venv: $(VENV)/.has-all

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "tako needs Python 3.11 or newer: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

# A stamp per set of packages: a second make installs nothing until a version changes.
$(VENV)/.has-shop: $(INPUTS) | $(BIN)/python
	$(INSTALL) -e '.[shop]'
	@touch $@

$(VENV)/.has-all: $(INPUTS) | $(BIN)/python
	$(INSTALL) -e '.[dev,shop]'
	@touch $@ $(VENV)/.has-shop

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .tako
	find src tests examples bench -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
