"""Fetches and prepares every real service of the tests; ``make services`` runs it."""

from __future__ import annotations

import functools
import os
import sys

from tests.services import chromium, deploy_tools, fetch
from tests.services.kafka_archive import prepare_kafka
from tests.services.postgres_archive import postgres_programs
from tests.services.required import ServiceUnavailableError

PREPARED = (
    ("Apache Kafka", prepare_kafka),
    ("Azurite", fetch.azurite_program),
    ("PostgreSQL", postgres_programs),
    ("OpenTelemetry for Node", functools.partial(fetch.npm_modules, "opentelemetry")),
    ("Helm", deploy_tools.helm_program),
    ("promtool", deploy_tools.promtool_program),
    ("hadolint", deploy_tools.hadolint_program),
    ("the schema of compose files", deploy_tools.compose_schema),
    ("Chromium", chromium.chromium_program),
    ("axe", chromium.axe_rules),
)


def main() -> int:
    """Prepare every service; under ``REQUIRE_SERVICES=1`` a missing one is an error."""
    missing = 0
    for name, prepare in PREPARED:
        try:
            place = prepare()
            shown = place.relative_to(fetch.ROOT) if place.is_relative_to(fetch.ROOT) else place
            sys.stdout.write(f"{name}: {shown}\n")
        except ServiceUnavailableError as exc:
            missing += 1
            sys.stdout.write(f"{name}: not available, its tests are skipped: {exc}\n")
    return 1 if missing and os.environ.get("REQUIRE_SERVICES") == "1" else 0


if __name__ == "__main__":
    sys.exit(main())
