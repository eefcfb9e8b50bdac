"""Draws fallback stores in which somebody else put, renamed and altered objects, beside the genuine ones."""

from __future__ import annotations

import functools
import json

from hypothesis import strategies as st

from telemetry.audit.fallback.object_form import PlainForm, SealedForm
from telemetry.encryption.storage_keys import StorageKeys
from telemetry.encryption.storage_secret import StorageSecret, StorageSecrets
from telemetry.format import canonical_base64
from telemetry.format.objects.fallback_object import StoredRecord, encode_object
from telemetry.format.objects.stored_name import PLAIN, QUARANTINE, REJECTED, SEALED, SHELVES, WAITING, object_name
from telemetry.format.proof.leaves import as_text
from telemetry.format.value.message import source_of
from telemetry.reader import RawRecord
from tests.attacks.forge import TOPIC
from tests.property.genuine import Trail, trail
from tests.property.hostile import HOSTILE_TEXTS, MAX_SHOWN, altered, altered_bytes, hostile_records, noise, texts

SOURCE = source_of("production", "payments")
SECRET_TEXT = "5f" * 32
SECRET = StorageSecret.of_text(SECRET_TEXT)
_DAY = "2026/01/31"
_SIGNED = b"telemetry sealed object v2\n"


def storage_keys() -> StorageKeys:
    """Return the storage keys of the service."""
    return StorageKeys(StorageSecrets([SECRET]), sources=[SOURCE])


class GenuineObjects:
    """The trail in four objects: those of one process are sealed, those of the other of the form before.

    Args:
        genuine: The trail.

    Attributes:
        objects: Content by name.
        form: Form in which the service stores.
        a_plain_one: Content of one of the form before.
    """

    def __init__(self, genuine: Trail) -> None:
        self.form = SealedForm(storage_keys(), genuine.signer)
        self.objects: dict[str, bytes] = {}
        self.a_plain_one = b""
        for number, producer in enumerate(genuine.counts):
            records = [
                record for record in genuine.records if f'"producer":"{producer}"'.encode() in (record.value or b"")
            ]
            for start, part in ((0, records[:5]), (4, records[5:])):
                self._store(part, producer=producer, first=start, number=2 * number + start, is_sealed=number == 0)

    def _store(self, records: list[RawRecord], *, producer: str, first: int, number: int, is_sealed: bool) -> None:
        lines, sequence = [], first
        for record in records:
            is_event = record.key != producer.encode()
            header = as_text(record.headers[0][1]) if record.headers else ()
            lines.append(StoredRecord(record.key or b"", record.value or b"", sequence if is_event else None, header))
            sequence += is_event
        shelf = SEALED if is_sealed else PLAIN
        created = f"0198c0de-1111-7222-8333-{number:012x}"
        name = object_name(
            TOPIC, created_uuid7=created, day=_DAY, producer=producer, first=first, last=sequence - 1, shelf=shelf
        )
        form = self.form if is_sealed else PlainForm()
        content = form.encode(lines, topic=TOPIC, producer=producer, reason="unreachable")
        self.objects[shelf.below(WAITING, name)] = content
        if not is_sealed:
            self.a_plain_one = content


@functools.cache
def genuine_objects() -> GenuineObjects:
    """Return the objects of the trail of this test run."""
    return GenuineObjects(trail())


@st.composite
def hostile_names(draw: st.DrawFn) -> str:
    """Draw a name: of this library, nearly so, or anything that a store can hold."""
    name = draw(st.sampled_from(sorted(genuine_objects().objects)))
    kind = draw(st.sampled_from(["other", "other", "other", "folder", "altered", "odd", "lock"]))
    if kind == "other":
        producer = draw(st.sampled_from([*trail().counts, "0198c0de-0000-7000-8000-00000000000b"]))
        first = draw(st.sampled_from([0, 4, 10**18, None]))
        last = None if first is None else first + draw(st.sampled_from([0, 3, 10**17]))
        shelf = draw(st.sampled_from(SHELVES))
        created = f"0198c0de-1111-7222-8333-{draw(st.integers(0, 2**48 - 1)):012x}"
        made = object_name(
            TOPIC, created_uuid7=created, day=_DAY, producer=producer, first=first, last=last, shelf=shelf
        )
        return shelf.below(draw(st.sampled_from([WAITING, WAITING, REJECTED, QUARANTINE])), made)
    if kind == "folder":
        return (
            draw(
                st.sampled_from(
                    ["rejected/", "quarantine/", "=sealed/rejected/", "=sealed/", "x/", "quarantine/quarantine/"]
                )
            )
            + name
        )
    if kind == "altered":
        at = draw(st.integers(0, len(name)))
        return name[:at] + draw(texts)[:40] + name[at + draw(st.integers(0, 5)) :]
    if kind == "lock":
        number = draw(st.sampled_from(["0", "00000000000000000001", "9" * 20, "9" * 400, "-1", "x"]))
        return draw(
            st.sampled_from(
                [
                    f"locks/replay-{TOPIC}/{number}",
                    f"locks/=sealed-{TOPIC}/{number}",
                    f"=sealed/first-seen/{TOPIC}.json",
                ]
            )
        )
    return (
        f"{draw(st.sampled_from(['', f'{TOPIC}/', f'{TOPIC}/{_DAY}/', f'=sealed/waiting/{TOPIC}/']))}{draw(texts)[:60]}"
    )


@st.composite
def hostile_contents(draw: st.DrawFn) -> bytes:
    """Draw the content of an object."""
    contents = sorted(genuine_objects().objects.values())
    content = draw(st.sampled_from(contents))
    header, _, rest = content.partition(b"\n")
    found: bytes = draw(
        st.one_of(
            noise,
            st.just(content),
            altered_bytes(content, others=contents),
            st.tuples(altered(header), st.sampled_from([rest, b"", rest[:100], rest * 2])).map(b"\n".join),
            altered(header.partition(b',"signer"')[0].removesuffix(b"}") + b"}").map(lambda line: _signed(line, rest)),
            stored_lines(header),
            st.tuples(st.sampled_from([1e300, -1, 0]), texts).map(_lease),
            objects_of_records(),
        )
    )
    return found


def _signed(header: bytes, rest: bytes) -> bytes:
    """Return an object of a host that has the service's key, and stores nonsense."""
    signed = b'%b,"signer":"%b"' % (header[:-1], trail().signer.public.key_id.hex().encode())
    signature = canonical_base64.encode(trail().signer.sign(_SIGNED + signed)).encode()
    return b'%b,"signature":"%b"}\n%b' % (signed, signature, rest)


def _lease(values: tuple[float, str]) -> bytes:
    """Return a lease, or the moment of an upgrade."""
    seconds, owner = values
    lease = {"expires": 1e300, "seconds": seconds, "first_seen": -seconds, "mac": "", "owner": owner}
    return json.dumps(lease).encode()


def stored_lines(header: bytes) -> st.SearchStrategy[bytes]:
    """Draw lines under the header of an object."""
    plain = genuine_objects().a_plain_one.splitlines()
    line = st.one_of(noise, st.sampled_from(plain[1:]), altered(plain[1]))
    return st.tuples(st.sampled_from([plain[0], header]), st.lists(line, max_size=3)).map(
        lambda drawn: b"\n".join([drawn[0], *drawn[1]])
    )


@st.composite
def objects_of_records(draw: st.DrawFn) -> bytes:
    """Draw an object of the form before, with digests that are right and records that are not."""
    records = draw(st.lists(hostile_records(trail()), min_size=1, max_size=4))
    lines = [
        StoredRecord(record.key or b"", record.value or b"", draw(st.sampled_from([None, 0, 1, 4, 2**63 - 1])))
        for record in records
        if _is_text(record.key or b"") and _is_text(record.value or b"")
    ]
    producer = draw(st.sampled_from([*trail().counts, *HOSTILE_TEXTS]))
    return encode_object(lines, topic=TOPIC, producer=producer, reason="unreachable") if lines else b""


class Objects(dict[str, bytes]):
    """The objects of a store, of which only the hostile ones are shown when a test fails."""

    def __repr__(self) -> str:
        hostile = {name: content for name, content in self.items() if name not in genuine_objects().objects}
        return f"Objects({repr(hostile)[:MAX_SHOWN]})"


@st.composite
def hostile_stores(draw: st.DrawFn, *, most: int = 8) -> Objects:
    """Draw the objects of a store: the genuine ones, and others beside them."""
    pairs = st.tuples(hostile_names(), hostile_contents())
    hostile = {name: content for name, content in draw(st.lists(pairs, max_size=most)) if name}
    return Objects(hostile | genuine_objects().objects)


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
