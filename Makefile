# Two commands matter: `make run` opens the studio, `make test` checks everything. Both set up what is missing.
VENV ?= .venv
PY := $(VENV)/bin/python
PYTHON ?= python3
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: run test lint setup setup-dev browser screenshots docs bench clean

run: $(VENV)/.ready
	$(VENV)/bin/studio $(ARGS)

test: $(VENV)/.ready-dev browser
	$(PY) -m pytest $(ARGS)

lint: $(VENV)/.ready-dev
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

setup: $(VENV)/.ready
setup-dev: $(VENV)/.ready-dev

$(VENV)/.ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Tailor Studio needs Python 3.11 or newer; $(PYTHON) is older. Set PYTHON=python3.11."; exit 1; }
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --editable .
	@touch $@

$(VENV)/.ready-dev: $(VENV)/.ready
	$(PY) -m pip install --quiet --editable '.[dev]'
	@touch $@

# The browser tests drive an installed Chrome or Chromium; on Debian and Ubuntu a missing one is installed.
browser:
	@sh tests/ui/find_browser.sh

screenshots: $(VENV)/.ready-dev browser
	$(PY) -m tests.ui.screenshots

docs: $(VENV)/.ready-dev
	$(PY) -m studio.cli.settings_page

bench: $(VENV)/.ready-dev
	$(PY) -m tests.bench.train_throughput

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache dist build
