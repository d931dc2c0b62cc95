# ecgnet: everything that a newcomer does. `make run` tries it, `make test` and `make check` prove it.
# Needs git, make and Python 3.11 or newer with venv; the rest is fetched into .venv and web/node_modules.

# The first Python that is new enough; `make PYTHON=/path/to/python …` names another.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; raise SystemExit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; exit; }; done; echo python3)
BIN := .venv/bin
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help env web run needs test check tidy bench soak lock clean
MAKEFLAGS += --no-print-directory --no-builtin-rules
unexport PYTHONDONTWRITEBYTECODE  # where it is set, each of the tests' some hundred processes compiles SciPy anew

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

env: ## .venv with ecgnet and all tools
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "需要 Python 3.11 或更新版本，$(PYTHON) 不是（Debian：apt-get install python3 python3-venv；或 make PYTHON=python3.12 …）。"; \
		echo "Python 3.11 or newer is needed, $(PYTHON) is not (Debian: apt-get install python3 python3-venv; or make PYTHON=python3.12 …)."; \
		exit 1; } >&2
	@$(PYTHON) scripts/env.py

web: env
	@$(BIN)/python scripts/build_web.py

run: web ## a demonstration county in the browser; Ctrl-C stops it
	@exec $(BIN)/ecgnet demo $(ARGS)

needs: env
	@$(BIN)/python scripts/test_needs.py

test: web needs ## all tests (ARGS="-k word" for some)
	@$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS)

check: env ## lint, types, room contracts, the screens' own tests
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check --quiet || { echo 'format: run make tidy' >&2; exit 1; }
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python scripts/build_web.py check
	@$(BIN)/pyright

tidy: env ## format, and mend what lint can mend
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix

bench: env ## measured speed: file to alert, receipts per second, beside peers
	@test -d .make/neurokit2 || $(BIN)/uv pip install --quiet --target .make/neurokit2 neurokit2 || true
	@test -x .make/tuspyserver/bin/python || { $(BIN)/uv venv --quiet .make/tuspyserver && \
		$(BIN)/uv pip install --quiet -p .make/tuspyserver/bin/python tuspyserver uvicorn uvloop; } || true
	@set -e; for bench in bench/*.py; do echo "== $$bench"; $(BIN)/python $$bench; done

soak: web needs ## the promises, again and again (MINUTES=30)
	@$(BIN)/python scripts/soak.py $(or $(MINUTES),30)

lock: env ## renew constraints.txt: newest versions with hashes, no addresses
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --upgrade --all-extras \
		--group env --group test --group check --group node --group postgres-wheel --group font-wheel \
		--no-annotate --no-header pyproject.toml --output-file constraints.txt

clean: ## back to a fresh clone
	@rm -rf .venv .make build dist demo-data server/static web/node_modules tests/shots *.egg-info \
		.pytest_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
