# Two commands on a fresh machine: `make run` and `make test`. Each sets up what it lacks and can be run again.
# PYTHON chooses the interpreter (3.11 or later); everything else lives in .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
APT := sip-tester baresip
# And the service for its built-in prompts: without it the rest works, and what is missing is said.
APT_VOICE := espeak-ng
# Debian needs these for `python3 -m venv`; other machines bring their own.
APT_PYTHON := python3-venv

.DEFAULT_GOAL := help
.PHONY: help run test bench setup setup-dev lint types unit sipp soak format lock clean

help:  ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## */  make \1\t/' | expand -t 18

run: setup  ## the PBX, on its embedded default; says what to do next
	$(BIN)/pbx run

test: lint types unit sipp smoke  ## everything

bench: setup-dev apt  ## figures: calls a CPU-second, µs a relayed packet
	$(BIN)/pbx bench

setup: $(VENV)/.installed  ## the environment that `make run` needs
setup-dev: $(VENV)/.installed-dev  ## and what the tests need beside it

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "pbx needs Python 3.11 or later; name one with: make PYTHON=python3.12 …"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || $(MAKE) --no-print-directory apt-python
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(BIN)/python requirements.lock pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary :all: -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@command -v $(APT_VOICE) >/dev/null || .ci/apt-install $(APT_VOICE) || true
	$(BIN)/python -m pbx.media.build
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary :all: -r requirements-dev.lock
	@touch $@

.PHONY: apt apt-python smoke
apt:
	@missing=$$(for p in $(APT); do dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || echo $$p; done); \
	if [ -n "$$missing" ]; then .ci/apt-install $$missing; fi

apt-python:
	@.ci/apt-install $(APT_PYTHON)

lint: setup-dev  ## ruff and the import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo

types: setup-dev  ## mypy, strict
	$(BIN)/mypy

unit: setup-dev apt  ## pytest: pure machines, edges in memory, whole calls, real phones
	$(BIN)/pytest -q

sipp: setup-dev apt  ## the SIPp suite, with what people hear
	$(BIN)/pbx sipp

smoke: setup-dev apt  ## the benchmarks, just long enough to see that they work
	$(BIN)/pbx bench --smoke

soak: setup-dev  ## long random tests: 10,000 storms over the queues, a million hostile datagrams
	PBX_STORMS=10000 $(BIN)/pytest -q tests/queues/test_storm.py
	PBX_FUZZED_PACKETS=1000000 $(BIN)/pytest -q tests/media/test_hostile.py

format: setup-dev  ## format, and mend what ruff can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: setup-dev  ## renew the locked requirements (needs uv from PyPI)
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate \
	  -o requirements.lock pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate --group dev \
	  -c requirements.lock -o requirements-dev.lock pyproject.toml

clean:  ## remove the environment and caches (never var/ or pbx.yaml)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
