# Each target does its own set-up: nothing has to be installed by hand but Python 3.11+ and make.
#
#   make run      the gateway with stand-ins for all services, on http://localhost:8080
#   make test     all tests; those that need a server that is not there say so and are skipped
#   make help     the rest

VENV ?= .venv
PORT ?= 8080
SECONDS ?= 600
BIN := $(VENV)/bin
SHELL := /bin/bash

.DEFAULT_GOAL := help
.PHONY: help run test test-fast environment servers lint types format bench bench-peers bench-quick autobahn-full upgrade-full overload-full replacing-full tls-scan-full soak mutants fuzz wheel clean

help:  ## print this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

# The first Python that is new enough and really runs (a shim may only look like one).
$(BIN)/python:
	@for python in python3.13 python3.12 python3.11 python3; do \
	  if $$python -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    $$python -m venv $(VENV) && exit 0; \
	    echo "the venv module of $$python does not work (on Debian: apt install python3-venv)" >&2; exit 1; \
	  fi; \
	done; echo "daarion-gw needs Python 3.11 or newer with venv (on Debian: apt install python3 python3-venv)" >&2; exit 1

# compat: the checkout itself is put on the path, so that twistd finds the plugin in it.
$(VENV)/.run: setup.cfg pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable . --config-settings editable_mode=compat
	@touch $@

$(VENV)/.test: $(VENV)/.run tests/real/requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]' -r tests/real/requirements.txt --config-settings editable_mode=compat
	@touch $@

$(VENV)/.lint: $(VENV)/.test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,lint]' --config-settings editable_mode=compat
	@touch $@

run: $(VENV)/.run  ## serve the demo on http://localhost:8080 (PORT=… for another port)
	$(BIN)/twistd -n --pidfile= daarion-gw --port $(PORT) --demo

test: $(VENV)/.test  ## run all tests
	$(BIN)/python -m pytest $(TESTS)

test-fast: $(VENV)/.test  ## run the tests that need no real server and no browser
	$(BIN)/python -m pytest -m 'not real and not browser and not slow' $(TESTS)

environment: $(VENV)/.lint  ## make the environment that all of this runs in

servers:  ## install the real servers that tests use (Debian, as root)
	sh tests/real/install.sh
	sh tests/deploy/install.sh

lint: $(VENV)/.lint  ## check style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.lint  ## check types
	$(BIN)/mypy daarion_gw

format: $(VENV)/.lint  ## put the code into its format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench-peers:
	sh bench/install.sh

bench: $(VENV)/.test bench-peers  ## measure beside five peers, write docs/bench.md (half an hour; nothing else should run)
	$(BIN)/python -m bench.run --publish

bench-quick: $(VENV)/.test bench-peers  ## the same, only to see that it works
	$(BIN)/python -m bench.run --quick

autobahn-full: $(VENV)/.test  ## the Autobahn testsuite with all its cases, in both directions
	AUTOBAHN_FULL=1 $(BIN)/python -m pytest tests/real/test_autobahn.py

upgrade-full: $(VENV)/.test  ## twenty upgrades under load, with and without workers
	UPGRADE_FULL=1 $(BIN)/python -m pytest tests/real/test_upgrade.py

overload-full: $(VENV)/.test  ## ten times what can be served, for 30 seconds
	DAARION_OVERLOAD_SECONDS=30 $(BIN)/python -m pytest tests/real/test_overload.py

replacing-full: $(VENV)/.test  ## fifty certificates one after the other under load, with and without workers
	REPLACING_FULL=1 $(BIN)/python -m pytest tests/tls/test_replacing.py

tls-scan-full: $(VENV)/.test  ## all that testssl.sh looks at on a TLS listener (two minutes)
	TESTSSL_FULL=1 $(BIN)/python -m pytest tests/real/test_tls_scans.py

soak: $(VENV)/.test  ## mixed traffic for fifteen minutes; memory must stay flat
	DAARION_SOAK_SECONDS=900 $(BIN)/python -m pytest tests/real/test_soak.py

mutants: $(VENV)/.test  ## take every rule out once and see its test fail
	MUTANTS=all $(BIN)/python -m pytest -m slow tests/wire
	$(BIN)/python -m tests.front.mutants

fuzz: $(VENV)/.test  ## fuzz the wire, SECONDS=600 for each way into it; what is found is told in hex
	FUZZ_SECONDS=$(SECONDS) $(BIN)/python -m pytest -m slow tests/fuzz

wheel: $(VENV)/.run  ## build dist/daarion_gw-….whl
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .

clean:  ## remove what was built and installed here
	rm -rf $(VENV) .tools dist build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
