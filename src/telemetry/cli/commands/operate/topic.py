"""Implements ``telemetry topic``: creates the topic of a trail with settings that keep it."""

from __future__ import annotations

from typing import Annotated

import typer

from telemetry.cli.options.connection import Loader, with_connection
from telemetry.cli.output.console import err
from telemetry.cli.output.examples import examples
from telemetry.exceptions import ConfigurationError, Problem

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Create the topic of a trail.")

_DAY_MS = 86_400_000


@app.callback()
def _group() -> None:
    # Without a callback, an application with a single command would be that command, not a group.
    """Create the topic of a trail."""


@app.command(epilog=examples("telemetry topic create -c telemetry.toml --partitions 12 --retention-days 400"))
@with_connection
def create(
    load: Loader,
    *,
    partitions: Annotated[
        int, typer.Option(min=1, max=10_000, help="Number of partitions; events of one user share one.")
    ] = 6,
    replication: Annotated[
        int, typer.Option(min=-1, max=99, help="Copies of each record; -1 for the broker's default.")
    ] = 3,
    min_insync: Annotated[
        int | None, typer.Option(min=1, help="Copies that must confirm; default: one less than --replication.")
    ] = None,
    retention_days: Annotated[
        int, typer.Option(min=-1, help="Days that Kafka keeps events; -1 for indefinitely.")
    ] = 365,
    max_message_bytes: Annotated[
        int, typer.Option(min=1_024, help="Largest batch of records that the topic accepts.")
    ] = 2 << 20,
) -> None:
    """Create the topic: never compacted, with the broker's time, records compressed as their producer sent them."""
    from confluent_kafka import KafkaError, KafkaException
    from confluent_kafka.admin import AdminClient, NewTopic

    from telemetry.kafka.errors import transport_error
    from telemetry.kafka.options import common_options

    config = load(encryption_enabled=False, fallback_enabled=False).audit_config
    # One broker may be away without stopping the audit log.
    insync = min_insync or max(replication - 1, 1)
    settings = {
        # Compaction would delete all but the last event of each user.
        "cleanup.policy": "delete",
        "retention.ms": str(retention_days * _DAY_MS if retention_days >= 0 else -1),
        # The clock of the broker: a process that logs must not be able to choose the time of its records.
        "message.timestamp.type": "LogAppendTime",
        "compression.type": "producer",
        "max.message.bytes": str(max_message_bytes),
        "min.insync.replicas": str(insync),
    }
    topic = NewTopic(config.kafka_topic, num_partitions=partitions, replication_factor=replication, config=settings)
    admin = AdminClient(common_options(config))
    try:
        admin.create_topics([topic], operation_timeout=config.kafka_timeout_ms / 1_000)[config.kafka_topic].result()
    except KafkaException as exc:
        error = exc.args[0]
        if error.code() == KafkaError.TOPIC_ALREADY_EXISTS:
            problem = Problem("--topic", f"{config.kafka_topic!r} exists already", "choose another, or use it as it is")
            raise ConfigurationError(problem) from exc
        raise transport_error(error, config.kafka_topic) from exc
    err.print(f"topic [bold]{config.kafka_topic}[/] created: {partitions} partitions, replication {replication}")
