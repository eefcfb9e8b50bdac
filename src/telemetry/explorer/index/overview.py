"""Defines what the overview shows: services, gaps, outages, readers, and what is wrong with records."""

from __future__ import annotations

from dataclasses import dataclass

from telemetry.reader.entry import Place, Proven


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceLife:
    """What one service logged.

    Attributes:
        service: CloudEvents source.
        events: How many events.
        producers: How many process streams.
        first: Time of its first event in the index.
        last: Time of its last one.
        days: Days (UTC) and events, in order, without the days that have none; bounded in number.
        unproven: Events that nothing proves (pending), where keys are trusted.
        refuted: Events in whose place a trusted key has signed another record.
    """

    service: str
    events: int
    producers: int
    first: str
    last: str
    days: list[tuple[str, int]]
    unproven: int
    refuted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Sequences of a producer that are not in the index, between others that are.

    It is no verdict: what is missing is what a verification says.

    Attributes:
        service: CloudEvents source.
        producer: Id of the producer.
        first: First sequence.
        last: Last sequence.
        missing: How many of them are absent: all, but for those that records without a checkpoint claim between proven ones.
        before: Time of the event before the gap; None at the beginning of the stream.
        after: Time of the event after it.
        proven: Whether the two events are proven; of the two, what is worth less.
    """

    service: str
    producer: str
    first: int
    last: int
    missing: int
    before: str | None
    after: str
    proven: Proven


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A time in which a producer could not send to Kafka, by the marks that it logged.

    Attributes:
        service: CloudEvents source.
        producer: Id of the producer.
        began: Time of the mark at the beginning.
        ended: Time of the mark at the end; None if there is none yet.
        event_id: Id of the event that marks the beginning.
        proven: Whether that event is proven.
        is_sealed: Whether it was sealed; anyone who may write to the topic could have written one that was not.
    """

    service: str
    producer: str
    began: str
    ended: str | None
    event_id: str
    proven: Proven
    is_sealed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Somebody who read the trail. Without content there are none: who reads is sealed.

    What is proven of a name and what is not are different readers, and what readers and services recorded too: a forged event
    adds nothing to what is believed.

    Attributes:
        name: Name under which the reads were recorded.
        proven: Whether the events that say so are proven.
        is_sealed: Whether they were sealed.
        is_of_reader: Whether they are of the stream of readers: another service says only what it wants to say.
        reads: How often the trail was opened.
        looks: Searches, opened events and exports in the explorer.
        last: Time of the last of them.
    """

    name: str
    proven: Proven
    is_sealed: bool
    is_of_reader: bool
    reads: int
    looks: int
    last: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """A record that could not be opened, or was altered.

    Attributes:
        place: Its place.
        reason: What is wrong with it: the message of the error, which has no content.
        kind: Name of the error's class.
        is_foreign: Whether no trusted stream is concerned.
    """

    place: Place
    reason: str
    kind: str
    is_foreign: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The trail at a glance, as far as it is in the index.

    Attributes:
        events: Events, without foreign ones.
        first: Time of the first one; None if there are none.
        last: Time of the last one.
        days: Days (UTC) and events of all services, in order, without the days that have none; bounded in number.
        services: The services by name; of very many, those with the most events that are not in doubt.
        more_services: How many other services there are.
        gaps: Gaps: those between proven events first, and the longest first; bounded in number.
        more_gaps: How many other gaps there are.
        pending_gaps: How many of all gaps are beside an event that nothing proves, where keys are trusted.
        outages: Outages: what is proven first, and the newest first; bounded in number.
        readers: Who read: what is proven first, and the last one first; bounded in number.
        proven: Events that a checkpoint of a trusted key proves.
        pending: Events that nothing proves yet, where keys are trusted.
        refuted: Events in whose place a trusted key has signed another record.
        not_judged: Events where no key is trusted.
        clear: Events that were logged with encryption off.
        foreign: Foreign events that are in the index.
        damaged: The damaged records that were read last, bounded in number.
    """

    events: int
    first: str | None
    last: str | None
    days: list[tuple[str, int]]
    services: list[ServiceLife]
    more_services: int
    gaps: list[Gap]
    more_gaps: int
    pending_gaps: int
    outages: list[Outage]
    readers: list[Reader]
    proven: int
    pending: int
    refuted: int
    not_judged: int
    clear: int
    foreign: int
    damaged: list[Damage]
