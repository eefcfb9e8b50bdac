# Everything that is done with this project by hand or by CI. `make` alone explains the targets.
#
# Needed: Python 3.11 or later; for the tests with real services also Java 17 or later, Maven, Node, Go, and Debian's apt.
# PYTHON=python3.12 make test    uses that interpreter.
# make test ARGS="tests/unit -x" hands arguments to pytest.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo test kafka-long check bench bench-sizing bench-web verify-limits bench-check bombs-long hostile-long fault-long gateway-generated gateway-kills key-outage-long memory-long matrix-long outage-long outbox-long replay-speed image-steps screenshots spark bench-gateway bench-explore bench-search bench-archive-verify \
	services lock setup setup-bench setup-spark setup-supply wheel sbom audit clean

VENV := .venv
BIN := $(VENV)/bin
BENCH_VENV := .venv-bench
SUPPLY_VENV := .venv-supply
SPARK_VENV := .venv-spark
ARGS ?= tests
# Twice the cores of a small machine: many tests wait for a server.
WORKERS ?= 6
# Any Python 3 runs the set-up; it chooses the one for the environment.
ANY_PYTHON := $(firstword $(shell command -v python3) $(PYTHON) python3)
COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 \
	--custom-compile-command "make lock" $(UPGRADE)
# What deploy/container/Containerfile installs.
IMAGE_EXTRAS := archive aws azure cli explore forward gcp postgres serve
# Pyright brings itself by npm; its cache stays in this folder.
export PYRIGHT_PYTHON_CACHE_DIR := $(CURDIR)/.cache/pyright
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

# The tests start hundreds of Python programs, which read compiled modules where an environment switches caches off.
test kafka-long key-outage-long bombs-long fault-long gateway-kills matrix-long memory-long outage-long outbox-long upgrade-test services: export PYTHONDONTWRITEBYTECODE :=

help: ## explain the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 24

demo: setup ## show the main job: log, seal, send, read back, lose the broker, recover; needs no server
	@$(BIN)/telemetry demo

test: setup services ## run every test, with real Kafka and Azurite where Java, Maven and Node are installed
	@$(BIN)/python -m pytest -n $(WORKERS) --session-timeout 4500 $(ARGS)

kafka-long: setup services ## kill, freeze and cut off a real broker again and again under load; minutes
	@KAFKA_LONG=1 $(BIN)/python -m pytest -s -p no:randomly tests/kafka/test_load_under_faults.py

check: setup ## lint, types, import contracts, lock files, and the rules of the house
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/lint-imports
	@test "$$($(BIN)/python .ci/lock_digest.py)" = "$$(cat requirements/inputs.sha256)" \
		|| { echo "requirements/ is older than pyproject.toml: run make lock"; exit 1; }
	@.ci/check_tree
	@$(BIN)/python .ci/check_house.py

gateway-kills: setup services ## kill a gateway a hundred times under load, and look for every event that was answered durable (10 minutes)
	@GATEWAY_KILLS=$${GATEWAY_KILLS:-100} $(BIN)/python -m pytest -s -p no:randomly --timeout 3600 tests/gateway/test_ends.py -k killed

key-outage-long: setup ## let the key service hang for a minute under load, and measure the event loop; docs/reliability.md
	@KEY_OUTAGE_LONG=1 $(BIN)/python -m pytest -s -p no:randomly tests/fault/test_key_service_outage_load.py

hostile-long: setup ## throw hostile records, objects, names and files at every reader (about ten minutes)
	@HOSTILE_FACTOR=$${HOSTILE_FACTOR:-20} $(BIN)/python -m pytest -p no:randomly --timeout 3600 tests/property/test_hostile_*.py

fault-long: setup ## kill five hundred logging processes at random moments (about 15 minutes); docs/reliability.md
	@CRASH_RUNS=$${CRASH_RUNS:-500} $(BIN)/python -m pytest -s tests/fault/test_crash.py -k random_moments -p no:randomly --timeout 3600

bombs-long: setup ## read past a thousand compression bombs of each codec, and show what they cost (some minutes)
	@BOMBS=$${BOMBS:-1000} $(BIN)/python -m pytest -s -p no:randomly tests/attacks/test_w_bombs_in_a_row.py -k long_row

matrix-long: setup ## every combination of faults of Kafka, store and key service under load (about half an hour)
	@FAULT_SECONDS=$${FAULT_SECONDS:-3} $(BIN)/python -m pytest -s tests/fault/test_fault_matrix.py -p no:randomly --timeout 3600

memory-long: setup ## log for ten minutes with Kafka away, and a million calls without await, and watch the memory; docs/reliability.md
	@MEMORY_SECONDS=$${MEMORY_SECONDS:-600} $(BIN)/python -m pytest -s tests/fault/test_memory.py
	@UNAWAITED_CALLS=$${UNAWAITED_CALLS:-1000000} $(BIN)/python -m pytest -s -p no:randomly tests/fault/test_call_forms.py -k without_await

outage-long: setup ## log 2,000 events/s for ten minutes with Kafka away and watch the memory; docs/reliability.md
	@OUTAGE_SECONDS=$${OUTAGE_SECONDS:-600} $(BIN)/python -m pytest -s -p no:randomly tests/fault/test_outage_memory.py

gateway-generated: setup ## send 5,000 made-up requests to each route of a real gateway, and cut bodies at every 64 KiB (some minutes)
	@GENERATED_REQUESTS=$${GENERATED_REQUESTS:-5000} $(BIN)/python -m pytest -s -p no:randomly --timeout 3600 tests/gateway/test_generated_requests.py

outbox-long: setup services ## kill two hundred processes between two statements of a transaction or of the relay; docs/reliability.md
	@OUTBOX_KILLS=$${OUTBOX_KILLS:-200} $(BIN)/python -m pytest -s -p no:randomly tests/fault/test_outbox_kills.py

archive-faults: setup services ## kill an archiver at a hundred random moments, and compare topic, seals, files and table; docs/archive.md
	@ARCHIVE_KILLS=$${ARCHIVE_KILLS:-100} $(BIN)/python -m pytest -s -p no:randomly --timeout 3600 tests/fault/test_archive_kills.py

upgrade-test: setup ## run an earlier release and this one on one topic, spool, store and state; UPGRADE_FROM=COMMIT; docs/reliability.md
	@UPGRADE_FROM=$${UPGRADE_FROM:-077af88} $(BIN)/python -m pytest -s -p no:randomly tests/fault/test_upgrade.py

screenshots: setup services ## play the explorer in Chromium, and write docs/pictures/explorer
	@SCREENSHOTS=1 $(BIN)/python -m pytest -q -p no:randomly tests/explorer/test_pictures.py

image-steps: setup ## run each step of deploy/container/Containerfile in a folder, without a container (minutes)
	@IMAGE_STEPS=1 $(BIN)/python -m pytest -s -p no:randomly tests/deploy/test_container.py -k every_step

spark: setup-spark services ## archive, verify, compact and open 20,000 events with a real Spark in local mode; docs/spark.md (minutes, 1 GB)
	@SPARK=1 $(SPARK_VENV)/bin/python -m pytest -s -p no:randomly --timeout 3600 tests/spark $(SPARK_ARGS)

replay-speed: setup services ## bring a fallback folder back to a real broker over mutual TLS, and print the rate; docs/performance.md
	@$(BIN)/python -m bench.replay $(BENCH_ARGS)

bench: setup-bench services ## measure against other libraries, side by side, and write docs/performance.md
	@$(BENCH_VENV)/bin/python -m bench $(BENCH_ARGS)

bench-web: setup-bench ## measure what recording a request costs, beside other middleware, and print the table of docs/performance.md
	@$(BENCH_VENV)/bin/python -m bench.web $(BENCH_ARGS)

bench-sizing: setup services ## measure what gateways need: CPU, memory, disk, data keys, checkpoints; docs/sizing.md (minutes)
	@$(BIN)/python -m bench.sizing $(BENCH_ARGS)

bench-gateway: setup-bench ## measure what an event costs a real gateway beside log(), and print the table of docs/performance.md
	@$(BENCH_VENV)/bin/python -m bench.gateway $(BENCH_ARGS)

bench-explore: setup ## fill the explorer's index with 200,000 made-up events: each search, memory; fail over a bound; docs/performance.md
	@$(BIN)/python -m bench.exploring --check $(BENCH_ARGS)

bench-archive: setup ## measure what archiving costs beside plain pyarrow, and fail over a bound; docs/archive.md
	@$(BIN)/python -m bench.archiving --check $(BENCH_ARGS)

bench-archive-verify: setup ## verify a made-up archive in one process and in two, in turn; fail over a bound on a quiet machine; docs/archive.md
	@$(BIN)/python -m bench.verifying_archive --check $(BENCH_ARGS)

verify-limits: setup ## verify ten million made-up events in one process: events a second, and memory (minutes)
	@for order in "side by side" "one partition has most"; do \
		$(BIN)/python -m bench.verifying --events 10000000 --order "$$order" || exit 1; done

bench-search: setup ## write an archive of 1,000,000 made-up events: CPU time of finding, counting and opening; fail over a bound; docs/archive.md
	@$(BIN)/python -m bench.searching --check $(BENCH_ARGS)

bench-check: setup-bench services ## measure what has a bound, and fail if one is missed (run by hand)
	@$(BENCH_VENV)/bin/python -m bench --check $(BENCH_ARGS)

services: setup ## fetch and prepare the real services of the tests in .services
	@$(BIN)/python -m tests.services

lock: setup ## resolve the requirements again; UPGRADE=--upgrade takes newer versions
	$(COMPILE) --all-extras --group dev pyproject.toml -o requirements/dev.txt
	$(COMPILE) --all-extras --group dev --group bench pyproject.toml -o requirements/bench.txt
	$(COMPILE) --all-extras --group dev --group spark pyproject.toml -c requirements/dev.txt -o requirements/spark.txt
	$(COMPILE) --all-extras pyproject.toml -c requirements/dev.txt -o requirements/runtime.txt
	$(COMPILE) $(addprefix --extra ,$(IMAGE_EXTRAS)) pyproject.toml -c requirements/dev.txt -o requirements/image.txt
	$(COMPILE) --group supply -o requirements/supply.txt
	echo uv | $(COMPILE) - -c requirements/dev.txt -o requirements/bootstrap.txt
	echo hatchling | $(COMPILE) - -c requirements/dev.txt -o requirements/build.txt
	$(BIN)/python .ci/lock_digest.py > requirements/inputs.sha256

wheel: setup ## build the wheel and the source archive in dist/, with the locked build requirements alone
	@$(BIN)/uv build --quiet --build-constraints requirements/build.txt --require-hashes --out-dir dist

sbom: setup-supply ## write dist/telemetry-audit.cdx.json: every package that the library and its extras need (CycloneDX)
	@mkdir -p dist
	@PYTHONWARNINGS=ignore $(SUPPLY_VENV)/bin/cyclonedx-py requirements requirements/runtime.txt --pyproject pyproject.toml --mc-type library \
		--output-reproducible --output-format JSON --output-file dist/telemetry-audit.cdx.json

audit: setup-supply ## look every locked package up in a database of known holes; needs the internet, so no part of check
	@for lock in dev supply; do $(SUPPLY_VENV)/bin/pip-audit --require-hashes --disable-pip --strict --progress-spinner off \
		-r requirements/$$lock.txt || exit 1; done

setup-supply: setup
	@$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python $(SUPPLY_VENV)
	@$(BIN)/uv pip sync --quiet --python $(SUPPLY_VENV)/bin/python --require-hashes requirements/supply.txt

setup: ## make .venv with the locked packages, or do nothing if it is up to date
	@$(ANY_PYTHON) .ci/setup.py $(VENV) requirements/dev.txt
	@# Compiled once, not by every process that the tests start; PYTHONDONTWRITEBYTECODE does not forbid this.
	@$(BIN)/python -m compileall -q src tests

setup-spark:
	@$(ANY_PYTHON) .ci/setup.py $(SPARK_VENV) requirements/spark.txt

setup-bench:
	@$(ANY_PYTHON) .ci/setup.py $(BENCH_VENV) requirements/bench.txt

clean: ## remove everything that these targets made
	rm -rf $(VENV) $(BENCH_VENV) $(SPARK_VENV) $(SUPPLY_VENV) .services .cache .pytest_cache .mypy_cache .ruff_cache .import_linter_cache \
		.hypothesis .coverage .coverage.* htmlcov dist build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
