"""Grants the rights that the tests expect, on a broker and on a new topic."""

from __future__ import annotations

import uuid

from tests.services.kafka import ALL_GROUPS, CLUSTER, KafkaBroker

PRINCIPALS = ("payments", "alice")


def grant_common(broker: KafkaBroker) -> None:
    """Let the principals of the tests read in groups and write idempotently."""
    broker.add_acl(PRINCIPALS, ALL_GROUPS, ["READ"])
    broker.add_acl(PRINCIPALS, CLUSTER, ["IDEMPOTENT_WRITE"])


def new_topic(broker: KafkaBroker, *, partitions: int = 4) -> str:
    """Create a topic with a unique name that the principals may write and read."""
    name = f"audit-{uuid.uuid4().hex}"
    broker.create_topic(name, partitions=partitions)
    broker.add_acl(PRINCIPALS, name)
    return name
