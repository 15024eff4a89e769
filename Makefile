# Two promises on a fresh machine with Python 3.11+ and make: `make demo`, `make test`.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin

.PHONY: demo test lint types arch docs bench peers check nightly attack lock clean

demo: $(VENV)/.base ; @$(BIN)/llm-latency-lens demo
test: $(VENV)/.dev  ; @$(BIN)/python -m pytest -n auto --dist worksteal $(TESTS)
lint: $(VENV)/.dev  ; @$(BIN)/ruff check . && $(BIN)/ruff format --check .
types: $(VENV)/.dev ; @$(BIN)/mypy
arch: $(VENV)/.dev  ; @$(BIN)/lint-imports
docs: $(VENV)/.dev  ; @$(BIN)/python docs/generate.py
bench: $(VENV)/.dev ; @$(BIN)/python -m benchmarks
# All peers and their page; `make peers PEER=vllm` (or PEER="vllm sglang") prints these alone.
peers: $(VENV)/.dev
	@$(BIN)/python -m benchmarks.peers --setup $(if $(PEER),$(PEER:%=--only %),--write)
check: lint types arch ; @$(BIN)/python docs/generate.py --check && $(MAKE) --no-print-directory test
nightly: $(VENV)/.dev ; @LLL_NIGHTLY=1 $(BIN)/python -m pytest -n auto --dist worksteal
# Timing: nothing else may run. The tests first, then the tables of docs/attack.md.
ATTACK_MINUTES ?= 90
attack: $(VENV)/.dev
	@LLL_ATTACK=1 timeout --foreground $(ATTACK_MINUTES)m $(BIN)/python -m pytest -n 0 tests/attack
	@timeout --foreground $(ATTACK_MINUTES)m $(BIN)/python -m tests.attack --write

LOCK := uv pip compile --universal -p 3.11 --generate-hashes --no-strip-extras --no-header \
	--no-emit-index-url -q
lock:
	@$(LOCK) --group build pyproject.toml -o requirements/base.lock
	@$(LOCK) --group build --group dev pyproject.toml -o requirements/dev.lock
	@$(LOCK) --group pyproject.toml:ci -o requirements/ci.lock
clean: ; @rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage*

# uv where it is installed, plain venv + pip otherwise; a lock file that has not changed is not installed again.
$(VENV)/.base: requirements/base.lock pyproject.toml ; @sh requirements/install.sh $(PYTHON) $(VENV) base
$(VENV)/.dev: requirements/dev.lock pyproject.toml   ; @sh requirements/install.sh $(PYTHON) $(VENV) dev
