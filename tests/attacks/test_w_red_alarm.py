from __future__ import annotations

import pytest

from telemetry.encryption.signing_key import SigningKey
from telemetry.format.proof.checkpoint_message import CheckpointMessage, decode_checkpoint_message
from telemetry.reader import Place, RawRecord
from telemetry.sync import Telemetry
from tests.attacks.forge import TOPIC, Writer, rival, trust_file
from tests.attacks.site import PASSPHRASE, Site
from tests.support.until import until
from tests.support.written_trail import Signer


def junk(kind: str) -> list[RawRecord]:
    """Return records that touch no trusted stream, as anyone may write them."""
    stranger = Writer(66, signer=Signer(9, "stranger"))
    if kind == "hello":
        return [RawRecord(None, b"hello", Place(TOPIC))]
    if kind == "tombstone":
        return [RawRecord(b"alice:payments", None, Place(TOPIC))]
    if kind == "clear event":
        return [Writer(66, is_sealed=False).event("wire_transfer")]
    if kind == "sealed junk":
        return [rival(stranger.event(), number) for number in range(3)]
    return stranger.run(3)


@pytest.mark.parametrize("kind", ["hello", "tombstone", "clear event", "sealed junk", "stranger's stream"])
def test_one_record_does_not_turn_the_alarm_red(site: Site, kind: str) -> None:
    payments = Writer(signer=site.keys.signing)
    site.put([*payments.run(3), *junk(kind)])

    verified = site.verify()
    strict = site.run("verify", "--public-key", site.keys.public_key, "--strict")

    assert verified.code == 0
    assert verified.of(payments.producer)["verdict"] == "complete"
    assert verified.proven(payments.producer) == 3
    # It is counted all the same, and an operator may want to fail on it.
    assert "foreign" in str(verified.report)
    assert strict.code == 3


def test_alarm_stays_green_with_a_continued_state(site: Site) -> None:
    payments, state = Writer(signer=site.keys.signing), str(site.folder / "state")
    site.put([*payments.run(3, every=3, end=False), *junk("hello")])
    first = site.verify("--state", state, "--continue", "--live", "3600")
    site.put([payments.event(), payments.checkpoint(final=True)])

    second = site.verify("--state", state, "--continue")
    third = site.verify("--state", state, "--continue")

    assert [first.code, second.code, third.code] == [0, 0, 0]
    assert third.proven(payments.producer) == 4


def test_acknowledged_finding_is_red_no_more(site: Site) -> None:
    """A rival of a signed record is a finding; when it was looked into, it must not hide the next one."""
    payments, key = Writer(signer=site.keys.signing), site.folder / "auditor"
    auditor = SigningKey.create(key, PASSPHRASE, name="auditor")
    trust = trust_file(
        site.folder / "trust.toml",
        {"public": site.keys.public_key, "roles": ["service"], "sources": ["/production/payments"]},
        {"public": auditor.public_key, "roles": ["auditor"], "sources": ["/production/payments"]},
    )
    honest = payments.run(3)
    site.put([*honest, rival(honest[0], 0)])
    red = site.verify(*trust)
    acknowledged = site.acknowledge(*[finding["id"] for finding in red.of(payments.producer)["findings"]], by=key)

    green = site.verify(*trust, *acknowledged)
    site.put([rival(honest[1], 1)])
    red_again = site.verify(*trust, *acknowledged)

    assert [red.code, green.code, red_again.code] == [3, 0, 3]
    assert green.of(payments.producer)["acknowledged"]
    assert len(red_again.of(payments.producer)["findings"]) == 1


def test_idle_service_signs_its_last_size_again(site: Site) -> None:
    config = site.config(checkpoint_heartbeat_seconds=0.2)
    with Telemetry(config) as telemetry:
        telemetry.audit.log("user_login", {}, "alice", wait_for="delivered")
        until(lambda: len(checkpoints(site)) > 2, what="an idle service signed twice more")
        alive = site.verify("--live", "30")
    closed = checkpoints(site)

    assert alive.code == 0
    assert {each.data.split("\n")[1] for each in closed} == {"1"}
    times = [each.time for each in closed]
    assert times == sorted(set(times)), "the times of a producer only grow"
    assert site.verify().verdict == "complete"


def checkpoints(site: Site) -> list[CheckpointMessage]:
    messages = [decode_checkpoint_message(record.value or b"") for record in site.records()]
    return [message for message in messages if message is not None]
