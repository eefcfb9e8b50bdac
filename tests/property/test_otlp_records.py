"""Whatever an application writes into a log record with a name, it becomes an event: nothing in it costs the event."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from telemetry.config import AuditConfig, TelemetryConfig
from telemetry.gateway.otlp.correlated_log import CorrelatedLog
from telemetry.gateway.otlp.export import Export, ExportBounds
from telemetry.gateway.otlp.export_answer import Encoding
from telemetry.gateway.otlp.mapping import CONVENTIONS, OWN_PREFIX, SHAPES, TEXTS
from telemetry.gateway.submission.event_call import EventCall
from telemetry.sync import Telemetry
from tests.support.otlp_requests import as_json, record, request

TEXT = st.text(max_size=40) | st.sampled_from(["\0", "\x1b[2J", "\u202e", "a" * 5_000, "=cmd()", "\ufeff", " "])
SCALARS = st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 63) - 1) | st.floats() | TEXT | st.binary()
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=6
)
NAMES = st.sampled_from(
    [
        *(OWN_PREFIX + argument for argument in (*TEXTS, *SHAPES, "user_id", "idempotency_key", "unfit", "wait_for")),
        *(name for names in CONVENTIONS.values() for name in names),
        *("metadata", "payload", "event_type", "span", "otel", "body", "occurred_at", "scrub", "log.record.uid"),
    ]
)
IDS = st.binary(max_size=20)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=150)
@given(
    attributes=st.dictionaries(NAMES | TEXT, VALUES, max_size=6),
    body=VALUES,
    time=st.integers(0, (1 << 64) - 1),
    ids=st.tuples(IDS, IDS),
    severity=st.tuples(st.integers(0, 24), TEXT),
    resource=st.dictionaries(TEXT, VALUES, max_size=3),
)
def test_every_named_record_becomes_an_event(
    attributes: dict[str, Any],
    body: Any,
    time: int,
    ids: tuple[bytes, bytes],
    severity: tuple[int, str],
    resource: dict[str, Any],
) -> None:
    sent = request(
        record(
            "user.login",
            attributes,
            body,
            time_unix_nano=time,
            trace_id=ids[0],
            span_id=ids[1],
            severity_number=severity[0],
            severity_text=severity[1],
        ),
        resource=resource,
    )
    config = TelemetryConfig(
        service_name="payments", environment="test", audit_config=AuditConfig(kafka_brokers="memory:")
    )
    keys = set()
    with Telemetry(config) as telemetry:
        log = CorrelatedLog(telemetry.audit)
        for encoding, data in ((Encoding.PROTOBUF, sent.SerializeToString()), (Encoding.JSON, as_json(sent))):
            (call,) = Export(data, encoding, ExportBounds(5, 32), event_name_attributes=()).calls()
            assert isinstance(call, EventCall)
            receipt = log.log(call.event_type, call.payload, call.user_id, **call.fields)
            assert receipt.is_accepted
            keys.add(call.fields["idempotency_key"])

    assert len(keys) == 1
