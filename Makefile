# Everything a user or a developer starts. Needs GNU make and Python 3.11 or newer; `make help` lists the targets.
# The environment lives in .venv; a stamp in it says what was installed, so a second call is quick, and a changed
# pyproject.toml or constraints.txt installs again.

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
TESTS := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -rfEs

# The first interpreter on the PATH that is new enough; or name one: make demo PYTHON=/path/to/python3
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11; do \
	if "$$name" -c '$(NEW_ENOUGH)' 2>/dev/null; then echo "$$name"; break; fi; done)

# Where a CPU build of torch is had when there is no local one. The probe answers within seconds, or counts as no.
CPU_WHEELS := https://download.pytorch.org/whl/cpu
PROBE := import signal, urllib.request as web; signal.alarm(8); web.urlopen("$(CPU_WHEELS)/torch/", timeout=5)

.PHONY: help demo test setup check test-all lint format clean
.DEFAULT_GOAL := help

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.demo ## set up, train all three phases on this computer, say where the report is
	$(BIN)/trivium run recipes/demo.yaml
	@echo "The report, in full: $(CURDIR)/runs/demo/report.html. In these commands trivium is $(BIN)/trivium."

test: $(VENV)/.dev ## set up, then run every check
	@$(MAKE) --no-print-directory check

setup: $(VENV)/.dev ## only the environment: .venv with everything in it

check: ## format, lint, types, layers, tests, in the environment that is there
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy --strict benchmarks
	$(TESTS) -m "not slow"

test-all: $(VENV)/.dev ## every test, the slow ones included
	$(TESTS)

lint: $(VENV)/.dev ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy --strict benchmarks

format: $(VENV)/.dev ## rewrite the code in the house's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## remove the environment and all caches; runs stay
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/pyvenv.cfg:
	@if [ -z "$(PYTHON)" ] || ! "$(PYTHON)" -c '$(NEW_ENOUGH)' 2>/dev/null; then \
	  echo "Trivium needs Python 3.11 or newer and found $(or $(PYTHON),none on the PATH)." \
	    "Install one and try again, or name one: make $(or $(MAKECMDGOALS),demo) PYTHON=/path/to/python3"; exit 1; fi
	@echo "Setting up $(VENV) with $(PYTHON); this happens once"
	@"$(PYTHON)" -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "Python could not make an environment; on Debian and Ubuntu: apt install python3-venv"; exit 1; }

# torch first and alone, because it decides the size of the download: what is there already or lies in a local folder
# of wheels (PIP_FIND_LINKS), else a CPU build on Linux without an NVIDIA GPU, else what the package index gives.
$(VENV)/.torch: constraints.txt $(VENV)/pyvenv.cfg
	@install="$(PIP) install --no-deps -c constraints.txt torch"; \
	if $$install -q --no-index 2>/dev/null; then :; \
	elif [ "$$(uname -s)" = Linux ] && ! nvidia-smi -L >/dev/null 2>&1 \
	  && ( $(BIN)/python -c '$(PROBE)' ) >/dev/null 2>&1 && $$install --index-url $(CPU_WHEELS); then :; \
	else \
	  if [ "$$(uname -s)" = Linux ]; then echo "Installing torch with its GPU packages: a download of about 3 GB"; fi; \
	  $(PIP) install -c constraints.txt torch; fi
	@touch $@

$(VENV)/.demo: pyproject.toml constraints.txt $(VENV)/.torch
	@echo "Installing Trivium and what it needs"
	@$(PIP) install -q -c constraints.txt -e '.[report]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt $(VENV)/.torch
	@echo "Installing Trivium and what its checks need"
	@$(PIP) install -q -c constraints.txt -e '.[dev]'
	@touch $(VENV)/.demo $@
