# Shopdesk: `make run` starts the desk, `make test` proves it. Needs python3 >= 3.11 with venv, and make.

VENV := .venv
PY := $(VENV)/bin/python
DENO := DENO_DIR=$(CURDIR)/$(VENV)/deno NO_COLOR=1 $(CURDIR)/$(VENV)/bin/deno
PORT ?= 8501

# A stamp per content of the requirement files: nothing is installed twice.
RUN_STAMP := $(VENV)/.run-$(shell cksum < requirements.txt | cut -d' ' -f1)
TEST_STAMP := $(VENV)/.test-$(shell cat requirements.txt requirements-dev.txt | cksum | cut -d' ' -f1)
# What is imported is compiled then: compiling all of it would take a quarter of the installation.
PIP := $(PY) -m pip install --quiet --disable-pip-version-check --no-compile
# The pip that comes with older Pythons takes twice as long for the same packages.
PIP_VERSION := 26.3

SIDE_BY_SIDE := $(MAKE) --no-print-directory --jobs=2

# The tests start the program many times: what Python compiled is kept, whatever this shell says.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test bench clean packages system-packages checks lint types schema deno collected

run: $(RUN_STAMP)
	@PORT=$(PORT) $(VENV)/bin/streamlit run app.py --server.address=127.0.0.1 --server.port=$(PORT) --server.headless=true

test:
	@$(SIDE_BY_SIDE) packages system-packages
	@$(MAKE) --no-print-directory checks
	@echo "== tests"
	@# Files in the order of their folders: those with a browser take longest and must not come last.
	@$(PY) -m pytest -n 3 --dist loadfile --no-loadscope-reorder

bench: $(TEST_STAMP)
	@$(PY) -m tests.bench

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis tests/browser/output
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@echo "The data folder .desk is left alone; remove it by hand to start from nothing."

packages: $(TEST_STAMP)

checks: $(TEST_STAMP)
	@$(SIDE_BY_SIDE) --output-sync=target types collected lint deno schema

lint:
	@echo "== ruff"
	@$(VENV)/bin/ruff check --quiet .
	@$(VENV)/bin/ruff format --check --quiet .

types:
	@echo "== mypy"
	@$(VENV)/bin/mypy backend

schema:
	@echo "== schema.sql"
	@$(PY) -m backend.sql.build --check

# What the tests import is compiled here, once; each of pytest's workers would compile all of it at their start.
collected:
	@echo "== tests are found"
	@$(PY) -m pytest --collect-only --quiet > $(VENV)/collected 2>&1 || { cat $(VENV)/collected; exit 1; }

deno:
	@for folder in backend/local/gateway backend/functions; do \
		if [ -f $$folder/deno.json ]; then \
			echo "== deno $$folder"; \
			(cd $$folder && $(DENO) fmt --check --quiet && $(DENO) lint --quiet \
				&& $(DENO) check --quiet . && $(DENO) test --quiet --permit-no-files) || exit 1; \
		fi; \
	done

$(RUN_STAMP): | $(PY)
	@echo "Installing packages (first start only, about a minute) ..."
	@$(PIP) -r requirements.txt
	@touch $@

$(TEST_STAMP): | $(PY)
	@echo "Installing packages for the tests (first time only, about a minute) ..."
	@$(PIP) -r requirements-dev.txt
	@touch $@ $(RUN_STAMP)

$(PY):
	@for python in python3 python3.14 python3.13 python3.12 python3.11; do \
		if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
		echo "Shopdesk needs Python 3.11 or newer, which is not on this machine." >&2; \
		echo "Debian, Ubuntu: apt-get install python3 python3-venv" >&2; exit 1; \
	fi; \
	if ! $$found -c 'import venv, ensurepip' 2>/dev/null; then \
		echo "Python is here, but not its venv module." >&2; \
		echo "Debian, Ubuntu: apt-get install python3-venv" >&2; exit 1; \
	fi; \
	echo "Making the Python environment in $(VENV) ..."; \
	$$found -m venv --clear $(VENV) && $(PIP) pip==$(PIP_VERSION)

system-packages:
	@missing=""; \
	command -v chromium-headless-shell >/dev/null || command -v chromium >/dev/null \
		|| command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || missing="chromium"; \
	find /usr/share/fonts /usr/local/share/fonts "$$HOME/.fonts" -iname '*cjk*' 2>/dev/null | grep -q . \
		|| missing="$$missing fonts-noto-cjk"; \
	[ -z "$$missing" ] && exit 0; \
	if [ "$$(id -u)" = 0 ]; then as_root=""; elif sudo -n true 2>/dev/null; then as_root="sudo -n"; else as_root=no; fi; \
	if [ "$$as_root" = no ] || ! command -v apt-get >/dev/null; then \
		echo "The browser tests need:$$missing. Install with: sudo apt-get install -y $$missing" >&2; exit 1; \
	fi; \
	$$as_root apt-get update -qq; \
	if apt-cache show chromium-headless-shell >/dev/null 2>&1; then \
		missing=$$(echo "$$missing" | sed 's/^chromium/chromium-headless-shell/'); \
	fi; \
	echo "Installing for the browser tests: $$missing ..."; \
	DEBIAN_FRONTEND=noninteractive $$as_root apt-get install -y -qq --no-install-recommends $$missing >/dev/null
