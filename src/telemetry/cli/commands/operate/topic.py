"""``telemetry topic``: make the topic of a trail with settings that keep it."""

from __future__ import annotations

from typing import Annotated

import typer
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from telemetry.cli.options.connection import Loader, with_connection
from telemetry.cli.output.console import err
from telemetry.exceptions import ConfigurationError, Problem
from telemetry.kafka.errors import transport_error
from telemetry.kafka.options import common_options

app = typer.Typer(help="Make the topic of a trail.", no_args_is_help=True)

_DAY_MS = 86_400_000


@app.callback()
def _group() -> None:
    """Make the topic of a trail."""


@app.command()
@with_connection
def create(
    load: Loader,
    *,
    partitions: Annotated[int, typer.Option(min=1, max=10_000, help="Events of one user share a partition.")] = 6,
    replication: Annotated[int, typer.Option(min=-1, max=99, help="Copies; -1 takes the broker's default.")] = 3,
    min_insync: Annotated[
        int | None, typer.Option(min=1, help="Copies that must confirm; default: one less than --replication.")
    ] = None,
    retention_days: Annotated[int, typer.Option(min=-1, help="How long Kafka keeps events; -1 for ever.")] = 365,
    max_message_bytes: Annotated[int, typer.Option(min=1_024, help="Largest batch that the topic takes.")] = 2 << 20,
) -> None:
    """Make the topic: never compacted, with the broker's time, records kept as they were compressed.

    [bold]Example[/]

      telemetry topic create -c telemetry.toml --partitions 12 --retention-days 400
    """
    config = load(encryption_enabled=False, fallback_enabled=False).audit_config
    insync = min_insync or max(replication - 1, 1)
    settings = {
        "cleanup.policy": "delete",
        "retention.ms": str(retention_days * _DAY_MS if retention_days >= 0 else -1),
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
    err.print(f"topic [bold]{config.kafka_topic}[/] made: {partitions} partitions, replication {replication}")
