"""The same pipeline made of other people's parts; each sends to the same topic over the same mutual TLS."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections import deque
from collections.abc import Callable
from itertools import cycle, islice
from typing import Any

from bench.sender import Clock, CountingProducer, Result
from bench.spec import USERS, Spec, event, payload

_IN_FLIGHT = 5_000
_KEY_SECONDS = 300.0
_KEY_ID = "local-key://0123456789abcdef"
_CLEAR = [("content-type", b"application/octet-stream")]


def hand_rolled(spec: Spec) -> Result:
    """Send with aiokafka what ``json`` encodes and one AES-256-GCM key seals, in an envelope that names its key.

    It does what this library's record does and no more: anyone who reads it knows which KEK to ask for the data key. There
    is no rotation, no spool and no fallback. Batching and compression are as this library sets them.
    """
    return asyncio.run(_hand_rolled(spec, compression="lz4"))


def hand_rolled_uncompressed(spec: Spec) -> Result:
    """The same without compression, which is aiokafka's default: it compresses in the event loop's thread."""
    return asyncio.run(_hand_rolled(spec, compression=None))


async def _hand_rolled(spec: Spec, *, compression: str | None) -> Result:
    from aiokafka import AIOKafkaProducer  # noqa: PLC0415 - each contender loads only what it needs
    from aiokafka.helpers import create_ssl_context  # noqa: PLC0415
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

    files = spec.kafka["kafka_config"]
    tls = create_ssl_context(
        cafile=files["ssl_ca_location"], certfile=files["ssl_certificate_location"], keyfile=files["ssl_key_location"]
    )
    tls.check_hostname = True
    producer = AIOKafkaProducer(
        bootstrap_servers=spec.kafka["kafka_brokers"],
        security_protocol="SSL",
        ssl_context=tls,
        acks="all",
        enable_idempotence=True,
        linger_ms=5,
        max_batch_size=256 << 10,
        compression_type=compression,
    )
    cipher, body = AESGCM(os.urandom(32)), payload(spec.size)
    wrapped_key = base64.b64encode(os.urandom(60)).decode()
    waiting: deque[asyncio.Future[Any]] = deque()

    async def send(user: str) -> None:
        key, nonce = user.encode(), os.urandom(12)
        sealed = cipher.encrypt(nonce, json.dumps(event(user, body)).encode(), key)
        envelope = {
            "key_id": _KEY_ID,
            "wrapped_key": wrapped_key,
            "nonce": base64.b64encode(nonce).decode(),
            "ciphertext": base64.b64encode(sealed).decode(),
        }
        waiting.append(await producer.send(spec.topic, json.dumps(envelope).encode(), key=key))
        if len(waiting) >= _IN_FLIGHT:
            await waiting.popleft()

    await producer.start()
    try:
        await send(USERS[0])
        await waiting.popleft()
        clock = Clock()
        for user in islice(cycle(USERS), spec.events):
            await send(user)
        await asyncio.gather(*waiting)
        return clock.result(spec.events)
    finally:
        await producer.stop()


def csfle(spec: Spec) -> Result:
    """Confluent's client-side encryption of the whole payload, with its local KMS and its mock registry, as it is by default."""
    return _csfle(spec, validate=True)


def csfle_unvalidated(spec: Spec) -> Result:
    """The same with the check against the JSON schema switched off."""
    return _csfle(spec, validate=False)


def _csfle(spec: Spec, *, validate: bool) -> Result:
    from confluent_kafka.schema_registry import SchemaRegistryClient  # noqa: PLC0415
    from confluent_kafka.schema_registry.json_schema import JSONSerializer  # noqa: PLC0415
    from confluent_kafka.schema_registry.rules.encryption.encrypt_executor import EncryptionExecutor  # noqa: PLC0415
    from confluent_kafka.schema_registry.rules.encryption.localkms.local_driver import LocalKmsDriver  # noqa: PLC0415
    from confluent_kafka.serialization import MessageField, SerializationContext  # noqa: PLC0415

    LocalKmsDriver.register()
    EncryptionExecutor.register()
    registry = SchemaRegistryClient.new_client({"url": "mock://"})
    registry.register_schema("AuditEvent", _sealing_schema())
    settings = {
        "auto.register.schemas": False,
        "use.latest.version": True,
        "validate": validate,
        "subject.name.strategy": lambda *_unused: "AuditEvent",
    }
    serializer = JSONSerializer(None, registry, conf=settings, rule_conf={"secret": os.urandom(16).hex()})
    context = SerializationContext(spec.topic, MessageField.VALUE)
    return _encrypt_and_produce(spec, lambda made: serializer(made, context))


def _sealing_schema() -> Any:
    from confluent_kafka.schema_registry import Rule, RuleKind, RuleMode, RuleParams, RuleSet, Schema  # noqa: PLC0415

    rule = Rule(
        "seal",
        "",
        RuleKind.TRANSFORM,
        RuleMode.WRITEREAD,
        "ENCRYPT_PAYLOAD",
        [],
        RuleParams({"encrypt.kek.name": "bench", "encrypt.kms.type": "local-kms", "encrypt.kms.key.id": "bench"}),
        None,
        None,
        "ERROR,NONE",
        False,  # noqa: FBT003 - not disabled; the class takes its fields by place only
    )
    text = json.dumps({"title": "AuditEvent", "type": "object", "additionalProperties": True})
    return Schema(text, "JSON", [], None, RuleSet(None, None, [rule]))


def aws_encryption_sdk(spec: Spec) -> Result:
    """AWS Encryption SDK with a caching materials manager and a raw AES key: no call to a key service at all."""
    import aws_encryption_sdk as sdk  # noqa: PLC0415
    from aws_encryption_sdk.identifiers import CommitmentPolicy, EncryptionKeyType, WrappingAlgorithm  # noqa: PLC0415
    from aws_encryption_sdk.internal.crypto.wrapping_keys import WrappingKey  # noqa: PLC0415
    from aws_encryption_sdk.key_providers.raw import RawMasterKeyProvider  # noqa: PLC0415

    secret = os.urandom(32)

    class RawKey(RawMasterKeyProvider):  # type: ignore[misc] # the SDK has no types
        provider_id = "bench"

        def _get_raw_key(self, key_id: bytes) -> WrappingKey:  # noqa: ARG002 - the SDK's signature
            return WrappingKey(
                wrapping_algorithm=WrappingAlgorithm.AES_256_GCM_IV12_TAG16_NO_PADDING,
                wrapping_key=secret,
                wrapping_key_type=EncryptionKeyType.SYMMETRIC,
            )

    keys = RawKey()
    keys.add_master_key("bench")
    materials = sdk.CachingCryptoMaterialsManager(
        master_key_provider=keys, cache=sdk.LocalCryptoMaterialsCache(10), max_age=_KEY_SECONDS
    )
    client = sdk.EncryptionSDKClient(commitment_policy=CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT)
    context = {"service": "shop"}

    def seal(made: dict[str, Any]) -> bytes:
        sealed, _ = client.encrypt(
            source=json.dumps(made).encode(), materials_manager=materials, encryption_context=context
        )
        return bytes(sealed)

    return _encrypt_and_produce(spec, seal)


def _encrypt_and_produce(spec: Spec, seal: Callable[[dict[str, Any]], bytes]) -> Result:
    sender, body = CountingProducer(spec), payload(spec.size)
    first = seal(event(USERS[0], body))
    if b"field" in first:
        message = "the contender does not encrypt"
        raise RuntimeError(message)
    sender.send(USERS[0].encode(), first, _CLEAR)
    sender.finish()
    clock = Clock()
    for user in islice(cycle(USERS), spec.events):
        sender.send(user.encode(), seal(event(user, body)), _CLEAR)
    sender.finish()
    return clock.result(spec.events)


CONTENDERS: dict[str, Callable[[Spec], Result]] = {
    "hand_rolled": hand_rolled,
    "hand_rolled_uncompressed": hand_rolled_uncompressed,
    "csfle": csfle,
    "csfle_unvalidated": csfle_unvalidated,
    "aws_encryption_sdk": aws_encryption_sdk,
}
