"""Signs any nonsense with a trusted key: a host with a wrong clock, a bug or a thief. No reader ends with another error."""

from __future__ import annotations

import base64

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from telemetry.exceptions import FormatError, TamperedError
from telemetry.format.proof.checkpoint import Checkpoint, parse_text, render_text
from telemetry.format.proof.checkpoint_message import CheckpointMessage
from telemetry.format.proof.key_span import KeySpan
from telemetry.format.proof.leaves import LEAVES_HEADER, IntervalLeaves
from telemetry.format.proof.signed_note import sign_note
from telemetry.reader import Place, RawRecord, RecordOpener
from tests.support.written_trail import TOPIC, Process, Signer, topic, verify

SIGNER = Signer()
KID = "A" * 43

numbers = st.one_of(st.integers(-1, 40), st.sampled_from([2**53 - 1, 2**53, 2**53 + 1, 2**63, 2**64, 10**30]))
words = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=40)
hashes = st.binary(max_size=4).flatmap(lambda seed: st.just(base64.b64encode((seed * 32)[:32]).decode()))
times = st.one_of(
    st.datetimes().map(lambda moment: moment.isoformat(timespec="microseconds") + "Z"),
    st.sampled_from(["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "2026-02-30T00:00:00Z", ""]),
)
lines = st.one_of(
    times.map("time {}".format),
    st.just("final"),
    st.just("recovered"),
    st.lists(hashes, max_size=4).map(lambda found: "frontier " + "".join(found)),
    st.binary(max_size=200).map(lambda data: "frontier " + base64.b64encode(data).decode()),
    words.map("topic {}".format),
    st.just("topic audit-events"),
    numbers.map("interval {}".format),
    st.tuples(numbers, numbers).map(lambda span: f"key {KID} {span[0]} {span[1]}"),
    words.filter(bool),
)


@st.composite
def texts(draw: st.DrawFn) -> str:
    """Draw the text of a checkpoint of the process that logs, with some of its lines altered."""
    process = Process()
    for _ in range(draw(st.integers(0, 5))):
        process.log()
    size = process.tree.size
    start = draw(st.integers(0, size))
    checkpoint = Checkpoint.of(
        process.tree,
        source=process.source,
        producer=process.producer,
        time=process.time,
        final=draw(st.booleans()),
        topic=TOPIC,
        interval=start,
        keys=(KeySpan(KID, start, size - 1),) if start < size else (),
    )
    found = render_text(checkpoint).splitlines()
    for _ in range(draw(st.integers(0, 3))):
        at, other = draw(st.integers(0, len(found) - 1)), draw(st.one_of(lines, numbers.map(str), hashes, words))
        found[at : at + draw(st.integers(0, 1))] = draw(st.sampled_from([[], [other], [found[at]] * 2]))
        found = [line for line in found if line] or ["x"]
    return "\n".join(found) + "\n"


def record_of(text: str, header: bytes = b"") -> RawRecord:
    """Return the record of a note with any text, under the name of the process that logs."""
    process = Process()
    note = sign_note(text, SIGNER)
    time = next((line[5:] for line in text.splitlines() if line.startswith("time ")), "")
    message = CheckpointMessage(
        specversion="1.0",
        source=process.source,
        datacontenttype="text/plain",
        producer=process.producer,
        id="0198c0de-0000-7000-8000-00000000000b",
        time=time,
        type="telemetry.checkpoint",
        data=note,
    )
    headers = ((LEAVES_HEADER, header),) if header else ()
    return RawRecord(process.producer.encode(), msgspec.json.encode(message), Place(TOPIC, 0, 0), headers=headers)


@given(texts())
def test_any_signed_text_is_read_or_refused(text: str) -> None:
    try:
        checkpoint = parse_text(text)
    except (FormatError, TamperedError):
        return
    assert checkpoint.interval is None or 0 <= checkpoint.interval <= checkpoint.size
    assert sum(span.last - span.first + 1 for span in checkpoint.keys) in (
        0,
        checkpoint.size - (checkpoint.interval or 0),
    )


@given(texts(), st.binary(max_size=400))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_no_signed_text_ends_a_verification(text: str, header: bytes) -> None:
    """The stream of the signer may be judged in any way; the one of another process stays complete."""
    other = Process(2)
    report = verify(topic([*other.run(6, every=3), record_of(text, header), *Process().run(4, every=2)]))

    assert report.producer(other.producer).proven == 6
    assert report.exit_code in (0, 3, 4)


@given(texts())
def test_no_signed_text_ends_a_reader(text: str) -> None:
    RecordOpener(None).open(record_of(text))


@given(texts(), st.binary(max_size=400))
def test_no_header_beside_a_signed_text_is_believed(text: str, header: bytes) -> None:
    try:
        checkpoint = parse_text(text)
        IntervalLeaves.decode(header, checkpoint)
    except (FormatError, TamperedError):
        return
    raise AssertionError(text)
