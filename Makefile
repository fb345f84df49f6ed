# `make` lists the targets. Everything lands in folders that git ignores.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV ?= .venv
DEMO_VENV ?= .venv-demo
D3RLPY_VENV ?= .venv-d3rlpy
RECIPES_VENV ?= .venv-recipes
CORE_VENV ?= .venv-core-$(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
WORKERS ?= 2

BIN = $(VENV)/bin
PIP_INSTALL = -m pip --disable-pip-version-check install --quiet --quiet

.PHONY: help demo demo-rl test test-core check format bench bench-detect bench-peers-robot bench-peers-reports bench-learning bench-results bench-loop bench-ope d3rlpy recipes lock screenshots clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-20s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(DEMO_VENV)/.ready ## Audit real flights data and print the path of the report (light: no test tools)
	@mkdir -p out
	@$(DEMO_VENV)/bin/audit run sample_data/flights.parquet --fail-on never --format text -o - --format html -o out/flights.html
	@echo "The report: $(CURDIR)/out/flights.html"

demo-rl: $(VENV)/.ready ## Clean trajectories, learn before and after, print the path of the report (minutes; with torch)
	@mkdir -p out
	@$(BIN)/audit learn sample_data/trajectories/cartpole_planted.parquet \
	  --updates 2000 --episodes 50 --force -o out/cartpole
	@echo "The report: $(CURDIR)/out/cartpole/report.html"

test: $(VENV)/.ready ## Run the tests
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

test-core: $(CORE_VENV)/.ready ## Run the tests without any extra, on any Python: make test-core PYTHON=python3.13
	$(CORE_VENV)/bin/python -m pytest -n $(WORKERS) --dist loadfile \
	  --ignore=audit/interop/dagster.py --ignore=audit/interop/great_expectations.py

check: $(VENV)/.ready ## Run every gate: ruff, mypy, import-linter, the tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

format: $(VENV)/.ready ## Format the code and repair what ruff can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.ready ## Measure against the speed targets (minutes; makes a 10,000,000-row file)
	$(BIN)/python bench/run.py
	$(BIN)/python bench/report.py

bench-detect: $(VENV)/.ready ## Measure which planted defects of trajectories are found (minutes)
	$(BIN)/python bench/detect.py $(BENCH_OPTIONS)

bench-peers-robot: $(VENV)/.ready ## The same defects, found by other tools for robot data (installs them apart)
	$(BIN)/python bench/peers_robot.py $(BENCH_OPTIONS)

bench-peers-reports: $(VENV)/.ready ## The report beside those of ydata-profiling and Evidently (installs them apart)
	$(BIN)/python bench/peers_reports.py $(BENCH_OPTIONS)

bench-learning: $(VENV)/.ready $(D3RLPY_VENV)/.ready ## Measure advantages and training against their targets
	$(BIN)/python bench/learning.py --d3rlpy $(D3RLPY_VENV)/bin/python

bench-results: $(VENV)/.ready $(D3RLPY_VENV)/.ready ## What the learners reach, beside d3rlpy's on the same data (half an hour)
	$(BIN)/python bench/results.py --d3rlpy $(D3RLPY_VENV)/bin/python $(BENCH_OPTIONS)

bench-ope: $(VENV)/.ready ## How far returns estimated from logged episodes can be trusted, against rollouts (half an hour)
	$(BIN)/python bench/ope.py $(BENCH_OPTIONS)

bench-loop: $(VENV)/.ready ## What planted defects cost a learner, and what cleaning wins back (half an hour)
	$(BIN)/python bench/loop.py $(BENCH_OPTIONS)

screenshots: $(VENV)/.ready ## Take the pictures of the documentation from real reports (needs chromium, pdftoppm)
	$(BIN)/python scripts/take_screenshots.py

d3rlpy: $(D3RLPY_VENV)/.ready ## Build the environment of d3rlpy, the peer of some tests and benchmarks (docs/adr/0006)

recipes: $(RECIPES_VENV)/.ready ## Build the environment of Airflow, Prefect, dbt and DVC, in which their examples are tested (docs/adr/0006)

# Locked against PyPI alone, whatever this machine's pip is set to: the hashes must be those that everybody gets.
COMPILE = env PIP_CONFIG_FILE=/dev/null PIP_INDEX_URL=https://pypi.org/simple PIP_EXTRA_INDEX_URL= PIP_FIND_LINKS= \
  CUSTOM_COMPILE_COMMAND='make lock' $(BIN)/pip-compile --quiet --upgrade --strip-extras --allow-unsafe --generate-hashes \
  --no-emit-options --no-emit-index-url --no-emit-find-links --no-emit-trusted-host

# torch alone is held (requirements/torch.in says why), and comes without CUDA's packages.
lock: $(VENV)/.ready ## Pin the newest versions of all dependencies in requirements/
	$(COMPILE) --output-file requirements/core.lock pyproject.toml
	$(COMPILE) --extra rl --extra gx --extra dagster --extra test-core --extra test --extra dev --constraint requirements/core.lock --constraint requirements/torch.in \
	  --output-file requirements/all.lock pyproject.toml
	$(COMPILE) --extra test-core --constraint requirements/all.lock --output-file requirements/test-core.lock pyproject.toml
	$(COMPILE) --constraint requirements/torch.in --output-file requirements/d3rlpy.lock requirements/d3rlpy.in
	$(COMPILE) --output-file requirements/recipes.lock pyproject.toml requirements/recipes.in
	$(BIN)/python scripts/lock_cpu_torch.py requirements/all.lock requirements/d3rlpy.lock

clean: ## Remove environments, caches and outputs
	rm -rf $(VENV) $(DEMO_VENV) $(D3RLPY_VENV) $(RECIPES_VENV) .venv-core-* out build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

define create_environment
@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed; say which: make PYTHON=python3.12")'
@echo "Creating $(@D) from $<"
@$(PYTHON) -m venv $(@D)
@$(@D)/bin/python $(PIP_INSTALL) --require-hashes -r $<
@$(@D)/bin/python $(PIP_INSTALL) --no-deps --editable .
@touch $@
endef

$(DEMO_VENV)/.ready: requirements/core.lock pyproject.toml
	$(create_environment)

$(VENV)/.ready: requirements/all.lock pyproject.toml
	$(create_environment)

$(CORE_VENV)/.ready: requirements/test-core.lock pyproject.toml
	$(create_environment)

# Without dependencies: the lock names them all, and pip before 23.3 takes no hash for a package that is also asked for
# with an extra (fsspec and fsspec[http]). `pip check` tells if one is missing.
$(RECIPES_VENV)/.ready: requirements/recipes.lock pyproject.toml
	@echo "Creating $(@D) from $<"
	@$(PYTHON) -m venv $(@D)
	@$(@D)/bin/python $(PIP_INSTALL) --no-compile --no-deps --require-hashes -r $<
	@$(@D)/bin/python $(PIP_INSTALL) --no-deps --editable .
	@$(@D)/bin/python -m pip --disable-pip-version-check check
	@touch $@

$(D3RLPY_VENV)/.ready: requirements/d3rlpy.lock
	@echo "Creating $(@D) from $<"
	@$(PYTHON) -m venv $(@D)
	@$(@D)/bin/python $(PIP_INSTALL) --require-hashes -r $<
	@touch $@
