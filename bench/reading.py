"""Events a second that a reader of the topic gets, opened or sealed, beside a plain consumer."""

from __future__ import annotations

import resource
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from bench.sender import Clock, Result
from bench.setup import PASSPHRASE, audit_config
from bench.spec import USERS, Spec, payload
from telemetry.config import SigningConfig
from telemetry.encryption import EncryptionProviderFactory
from telemetry.encryption.signing_key import SigningKey
from telemetry.format.proof.signed_note import PublicKey
from telemetry.kafka.options import consumer_options
from telemetry.reader import KafkaSource, OpenedEvent, SealedEntry, TrailReader
from telemetry.reader.verify import Verifier
from telemetry.sync import Telemetry


def _fill(spec: Spec, **changes: Any) -> None:
    body = payload(spec.size)
    with Telemetry(audit_config(spec, **changes)) as telemetry:
        for user in islice(cycle(USERS), spec.events):
            telemetry.audit.log("order_read", body, user)


def opened(spec: Spec) -> Result:
    """``TrailReader`` with the key: every event decrypted and compared with its clear part."""
    return _read(spec, with_key=True)


def sealed(spec: Spec) -> Result:
    """``TrailReader`` without the key: parsed, not opened."""
    return _read(spec, with_key=False)


def _read(spec: Spec, *, with_key: bool) -> Result:
    _fill(spec)
    config = audit_config(spec).audit_config
    key = config.encryption_config
    provider = EncryptionProviderFactory.create(key) if with_key and key is not None else None
    wanted = OpenedEvent if with_key else SealedEntry
    before = _peak_mib()
    clock, count = Clock(), 0
    with KafkaSource(config) as source:
        for entry in TrailReader(source, provider=provider):
            count += isinstance(entry, wanted)
    return _counted(spec, clock, count) | {"peak_growth_mib": _peak_mib() - before}


def verified(spec: Spec) -> Result:
    """``Verifier`` with the public key alone: nothing decrypted, every checkpoint checked."""
    path = Path(spec.folder) / "signing.json"
    key = SigningKey.create(path, PASSPHRASE, name="bench")
    _fill(spec, signing_config=SigningConfig(key_path=path, passphrase=PASSPHRASE))
    before, clock, count = _peak_mib(), Clock(), 0
    verifier = Verifier([PublicKey.parse(key.public_key)])
    with KafkaSource(audit_config(spec).audit_config) as source:
        for record in source:
            verifier.observe(record)
            count += 1
    found = verifier.report()
    if found.exit_code != 0:
        message = f"the trail is not found complete: {found.to_dict()}"
        raise RuntimeError(message)
    return _counted(spec, clock, count) | {"peak_growth_mib": _peak_mib() - before}


def consume(spec: Spec) -> Result:
    """The upper bound: confluent-kafka's consumer, in batches, nothing parsed."""
    _fill(spec)
    config = audit_config(spec).audit_config
    consumer = Consumer({**consumer_options(config), "group.id": "none"})
    partitions = consumer.list_topics(spec.topic).topics[spec.topic].partitions
    clock, count, total = Clock(), 0, 0
    for partition in partitions:
        total += consumer.get_watermark_offsets(TopicPartition(spec.topic, partition))[1]
    consumer.assign([TopicPartition(spec.topic, partition, 0) for partition in partitions])
    while count < total:
        count += sum(message.error() is None for message in consumer.consume(1_000, timeout=1.0))
    found = _counted(spec, clock, count)
    consumer.close()
    return found


def _counted(spec: Spec, clock: Clock, count: int) -> Result:
    if count < spec.events:
        message = f"{count} of {spec.events} events were read"
        raise RuntimeError(message)
    return clock.result(count)


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


CONTENDERS: dict[str, Callable[[Spec], Result]] = {
    "opened": opened,
    "sealed": sealed,
    "verified": verified,
    "consume": consume,
}
