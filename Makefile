# Everything is set up by the targets themselves: Python 3.11 or later is all that must be there.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
DEMO := $(VENV)/ready-to-run
BENCH_VENV := build/bench/venv
BENCH := build/bench/ready
NODE := tests/node/node_modules/ready

.PHONY: demo test check format lock pictures bench image clean

demo: $(DEMO) ## the example through the whole flow, on a throw-away PostgreSQL
	$(BIN)/python -m runner demo

test: $(READY) $(NODE) ## all tests; some need a Docker engine, some PgBouncer
	$(BIN)/python -m pytest -n auto --dist loadgroup

check: $(READY) ## format, lint, types, action.yml
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/check-jsonschema --builtin-schema vendor.github-actions action.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows \
		.github/workflows/*.yml examples/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	$(BIN)/check-jsonschema --schemafile docs/db-migrate.schema.json examples/knowledge-workspace/db-migrate.yml
	$(BIN)/python -m pytest tests/test_contract.py tests/test_rooms.py

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: $(READY) ## write the lock files anew from pyproject.toml
	$(BIN)/uv pip compile pyproject.toml --extra api $(LOCK) -o requirements.lock
	$(BIN)/uv pip compile pyproject.toml --extra api --group dev $(LOCK) -o requirements-dev.lock
	$(BIN)/uv pip compile pyproject.toml --group bench $(LOCK) -o benchmarks/requirements.lock

pictures: demo $(NODE) ## docs/pictures, from a real run; needs Chromium
	cp tests/node/node_modules/mermaid/dist/mermaid.min.js build/demo
	$(BIN)/python -m tests.browser build/demo/summary.html docs/pictures/summary.png
	$(BIN)/python -m tests.browser build/demo/summary.html docs/pictures/summary-dark.png dark

bench: $(BENCH) ## us and other tools, side by side, in 40 minutes or so; WORKS names some of the works, IMAGE ours
	$(BENCH_VENV)/bin/python -m benchmarks.compare --write $(if $(IMAGE),--image=$(IMAGE)) $(WORKS)

image: ## the image, and what each part of it weighs; fails over its budget
	docker build --network host --tag db-migrate-action:local .
	@$(PYTHON) -m benchmarks.image db-migrate-action:local

LOCK := --upgrade --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	--no-emit-index-url --no-emit-find-links --quiet

define MAKE_VENV
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	{ echo "Python 3.11 or later is needed; name one with: make PYTHON=python3.13" >&2; exit 1; }
$(PYTHON) -m venv $(VENV)
endef

$(READY): requirements-dev.lock
	$(MAKE_VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $(READY) $(DEMO)

# GitHub's own parts, for tests. The machine's npm where there is one, and its certificates: a company may have its own.
$(NODE) $(BENCH): export NODE_EXTRA_CA_CERTS := $(or $(NODE_EXTRA_CA_CERTS),$(wildcard /etc/ssl/certs/ca-certificates.crt))
$(NODE): tests/node/package-lock.json $(READY)
	cd tests/node && PATH="$$PATH:$(CURDIR)/$(BIN)" npm ci
	@touch $(NODE)

$(DEMO): requirements.lock
	$(MAKE_VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $(DEMO)

$(BENCH): benchmarks/requirements.lock benchmarks/node/package-lock.json
	$(PYTHON) -m venv $(BENCH_VENV)
	$(BENCH_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r benchmarks/requirements.lock
	cd benchmarks/node && PATH="$$PATH:$(CURDIR)/$(BENCH_VENV)/bin" npm ci
	@touch $(BENCH)

clean:
	rm -rf $(VENV) build .mypy_cache .pytest_cache .ruff_cache
