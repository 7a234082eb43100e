# Daily commands; `make help` lists them. Needs python >= 3.11, make and git, nothing else.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Most tests wait for servers most of the time.
WORKERS ?= 3
# Where PYTHONDONTWRITEBYTECODE is set, each of the many processes of the suite would compile all modules anew.
PYTEST := $(BIN)/python -m compileall -q processor tests && $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal
SOURCES := processor tests ci docs/conf.py $(wildcard bench)

.DEFAULT_GOAL := help
.PHONY: help setup demo test fast simulate lint format types check chaos soak audit containers contract lock manifests \
	bench bench-peers bench-report dist docs screenshots clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) ## the virtual environment with all that is needed

# Dependency groups need pip >= 25.1, which a fresh environment may not have.
$(STAMP): pyproject.toml $(wildcard codec/*.toml codec/src/*)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --editable '.[local]' --group dev
	@if ! command -v cargo >/dev/null; then echo "There is no cargo, so no compiled codec: fastavro does its work."; \
		elif ! $(BIN)/python -m pip install --quiet --disable-pip-version-check ./codec; \
		then echo "The compiled codec could not be built: fastavro does its work."; fi
	@touch $@

demo: setup ## real Kafka and Valkey, 20,000 updates, and what became of them
	$(BIN)/session-processor demo

test: setup ## the whole suite, on real Kafka and Valkey; make test ARGS='-k name' for some
	$(PYTEST) $(ARGS)

fast: setup ## the tests that need no servers, each property on few examples, nothing simulated
	$(PYTEST) -m "not servers" --ignore tests/simulation --hypothesis-profile fast $(ARGS)

simulate: setup ## whole services under faults; ARGS='--seeds 20000', ARGS='--seed S --trace'
	cd tests && ../$(BIN)/python -m simulation $(ARGS)

lint: setup ## every rule of ruff
	$(BIN)/ruff check $(SOURCES)

format: setup ## rewrite the sources in the one format
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix-only --quiet $(SOURCES)

types: setup ## mypy --strict
	$(BIN)/mypy $(SOURCES)

check: setup ## lint, format check, types, tests: what a change must pass
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy $(SOURCES)
	$(PYTEST) $(ARGS)

chaos: setup ## brokers, processes and Redis taken away in turn; ARGS='--seed S --minutes N'
	$(BIN)/python tests/chaos/rounds.py $(ARGS)

soak: setup ## what processes hold on to while others restart; ARGS='--minutes 30'
	$(BIN)/python tests/chaos/soak.py $(ARGS)

audit: setup ## known vulnerabilities of the image's packages, where the data can be had
	@$(BIN)/python ci/audit.py $(ARGS)

containers: setup ## the image and compose, exercised; needs a Docker engine
	$(BIN)/python -m pytest --containers tests/containers $(ARGS)

contract: setup ## write the golden vectors of contract/ and the data dictionary anew
	$(BIN)/python tests/golden.py

# For every platform, so that one lock file serves all; the versions of the file stay where they can.
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.13 --generate-hashes --no-header --no-annotate

lock: setup ## renew the image's lock files; make lock ARGS=--upgrade for newer versions
	$(LOCK) $(ARGS) --extra console --extra otel pyproject.toml --output-file deploy/image/runtime.lock
	$(LOCK) $(ARGS) deploy/image/build.in --output-file deploy/image/build.lock

manifests: setup ## write deploy/kubernetes/ anew, of the chart; needs Go
	PATH="$$PATH:$$(ci/tools.sh)" $(BIN)/python tests/chart.py

bench: setup ## what it costs on this machine; ARGS='--scenario size --sessions 5000000', ARGS=--json
	$(BIN)/python -m bench $(ARGS)

bench-peers: setup ## the same job by Kafka Streams, Quix Streams and a plain loop, as one table
	$(BIN)/python -m bench.peers $(ARGS)

bench-report: setup ## measure anew, and rewrite the tables and the plot of docs/performance.md
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group bench
	$(BIN)/python -m bench.report $(ARGS)

dist: setup ## wheels and sdists of both distributions in dist/, tried where there is no compiler; needs cargo
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group dist
	ci/dist.sh $(BIN)

screenshots: setup ## pictures of the console on the demo's data, in docs/pictures; needs a chromium
	$(BIN)/python ci/screenshots.py

docs: setup ## the documents as a site, in dist/docs; warnings and broken links are errors
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group docs
	$(BIN)/python -m sphinx --builder html --fail-on-warning --nitpicky --keep-going --quiet \
		--fresh-env --conf-dir docs . dist/docs

clean: ## end the local stack; remove the environment, the caches and the local data
	@if [ -x $(BIN)/session-processor ]; then $(BIN)/session-processor local down; fi
	rm -rf $(VENV) .local .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage dist codec/target \
		examples/rust/target bench/peers/.venv bench/peers/floor/target bench/peers/streams/target
	find processor tests $(wildcard bench) -name __pycache__ -type d -prune -exec rm -rf {} +
