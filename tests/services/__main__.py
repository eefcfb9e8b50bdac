"""Fetches and prepares every real service of the tests; ``make services`` runs it."""

from __future__ import annotations

import os
import sys

from tests.services import fetch
from tests.services.kafka_archive import prepare_kafka
from tests.services.postgres_archive import postgres_programs
from tests.services.required import ServiceUnavailableError

PREPARED = (
    ("Apache Kafka", prepare_kafka),
    ("Azurite", fetch.azurite_program),
    ("PostgreSQL", postgres_programs),
)


def main() -> int:
    """Prepare every service; under ``REQUIRE_SERVICES=1`` a missing one is an error."""
    missing = 0
    for name, prepare in PREPARED:
        try:
            sys.stdout.write(f"{name}: {prepare().relative_to(fetch.ROOT)}\n")
        except ServiceUnavailableError as exc:
            missing += 1
            sys.stdout.write(f"{name}: not available, its tests are skipped: {exc}\n")
    return 1 if missing and os.environ.get("REQUIRE_SERVICES") == "1" else 0


if __name__ == "__main__":
    sys.exit(main())
