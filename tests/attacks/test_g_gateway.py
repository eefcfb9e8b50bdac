"""G runs a gateway and has its key: it may sign for the services that the trust file lists, and says so in each stream."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import SecretStr

from telemetry.encryption.signing_key import SigningKey
from telemetry.format.value.message import parse
from tests.attacks.forge import Writer, trust_file
from tests.attacks.planted import put
from tests.attacks.site import PASSPHRASE, Site
from tests.attacks.test_further_f_held import HELD, name_of, sealed
from tests.support.in_process import run
from tests.support.written_trail import Signer

VIA = "/production/gateway"
GATEWAY = Signer(11, "gateway-2026")
OTHER = Signer(12, "edge-2026")
PAYMENTS = Signer(1, "payments-2026")


def entries(key: Signer, own: str, *services: str) -> list[dict[str, Any]]:
    """Return what `telemetry trust add --gateway` writes."""
    return [
        {"public": key.public_key, "roles": ["service"], "sources": [own]},
        {"public": key.public_key, "roles": ["gateway"], "sources": list(services)},
    ]


def trusted(site: Site) -> tuple[str, str]:
    """Return the options of an auditor who knows two gateways, and a service that logs itself."""
    return trust_file(
        site.folder / "trust.toml",
        *entries(GATEWAY, VIA, "/production/payments", "/production/shop"),
        *entries(OTHER, "/production/edge", "/production/payments"),
        {"public": PAYMENTS.public_key, "roles": ["service"], "sources": ["/production/payments"]},
    )


def test_stream_of_a_gateway_is_complete_and_says_so(site: Site) -> None:
    writer = site.writer(signer=GATEWAY, via=VIA)
    records = writer.run(3)
    site.put(records)
    event_id, options = str(parse(records[0].value or b"").attributes["id"]), trusted(site)
    proof = site.folder / "event.proof.json"

    verified = site.verify(*options)
    shown = site.run("verify", *options, "--report", str(site.folder / "report.html"))
    tail = site.run("tail", "--json", *options)
    lineage = site.run("lineage", event_id, *options)
    proven = site.run("prove", event_id, *options, "--out", str(proof))
    facts = run("verify-proof", str(proof), "--json", *options)

    assert (verified.code, verified.of(writer.producer)["via"]) == (0, VIA)
    assert b"logged through" in shown.out
    assert f"logged through {VIA}" in (site.folder / "report.html").read_text()
    assert [json.loads(line)["via"] for line in tail.out.splitlines()] == [VIA] * 3
    assert VIA in lineage.out.decode()
    assert (proven.code, f"logged through {VIA}" in proven.err) == (0, True)
    assert json.loads(facts.out)["logged_through"] == VIA


def test_end_that_a_gateway_recovered_is_believed(site: Site) -> None:
    writer = Writer(1, signer=GATEWAY, via=VIA)
    site.put([writer.event(), writer.checkpoint(recovered=True)])

    verified = site.verify(*trusted(site))

    assert (verified.code, verified.of(writer.producer)["via"]) == (0, VIA)
    assert "recovered: 1 records" in verified.findings


@pytest.mark.parametrize(
    ("service", "signer", "via", "reason"),
    [
        ("ledger", GATEWAY, VIA, "may not sign for /production/ledger"),
        ("payments", GATEWAY, None, "only what names its gateway"),
        ("payments", PAYMENTS, VIA, "only the role gateway may sign what was logged through"),
        ("payments", GATEWAY, "/production/edge", "may not sign as /production/edge"),
        ("shop", OTHER, "/production/edge", "may not sign for /production/shop"),
        ("telemetry-reader", GATEWAY, VIA, "no gateway may log for /production/telemetry-reader"),
    ],
    ids=[
        "a service that is not listed",
        "the service itself",
        "a service calls itself a gateway",
        "another gateway",
        "a service of another gateway",
        "readers",
    ],
)
def test_key_that_may_not_sign_this_proves_nothing(
    site: Site, service: str, signer: Signer, via: str | None, reason: str
) -> None:
    honest = Writer(1, signer=GATEWAY, service="shop", via=VIA)
    forged = Writer(2, signer=signer, service=service, via=via)
    site.put([*honest.run(3), *forged.run(3)])

    verified = site.verify(*trusted(site))

    assert verified.proven(forged.producer) == 0
    assert (verified.proven(honest.producer), verified.of(honest.producer)["verdict"]) == (3, "complete")
    assert verified.code == 4
    assert reason in verified.findings
    assert signer.name in verified.findings


def test_line_that_is_removed_from_a_note_breaks_its_signature(site: Site) -> None:
    writer = Writer(1, signer=GATEWAY, via=VIA)
    *events, end = writer.run(3)
    line = f"via {VIA}\\n".encode()
    site.put([*events, end._replace(value=(end.value or b"").replace(line, b""))])

    verified = site.verify(*trusted(site))

    assert verified.proven(writer.producer) == 0
    assert verified.code == 4


@pytest.mark.parametrize("first", ["the gateway", "the other one"])
def test_other_gateway_signs_under_a_producer_of_the_first(site: Site, first: str) -> None:
    """Both may sign for payments. A process is in one of them, so one of them lies."""
    writer, forger = Writer(1, signer=GATEWAY, via=VIA), Writer(1, signer=OTHER, via="/production/edge")
    streams = [writer.run(4, end=False, every=2), forger.run(4, every=2)]
    site.put([record for stream in streams[:: 1 if first == "the gateway" else -1] for record in stream])

    verified = site.verify(*trusted(site))

    assert verified.code == 3
    assert "via" in {finding["field"] for finding in verified.of(writer.producer)["findings"]}


def test_service_ends_a_stream_of_its_gateway(site: Site) -> None:
    """A key of the service itself closes what was cut off at the gateway: the end that it signs is no end of the stream."""
    writer = Writer(1, signer=GATEWAY, via=VIA)
    cut_off = writer.run(4, every=2, end=False)
    writer.via = None
    site.put([*cut_off, writer.checkpoint(final=True, signer=PAYMENTS)])

    verified = site.verify(*trusted(site))

    assert verified.code == 3
    assert "the service itself" in verified.findings


def test_stream_of_one_gateway_is_replayed_as_another_ones(site: Site) -> None:
    """The records of the first, with the name and the signature of the second."""
    writer = Writer(1, signer=GATEWAY, via=VIA)
    records = writer.run(3)
    writer.via = "/production/edge"
    site.put([*records, writer.checkpoint(final=True, signer=OTHER)])

    verified = site.verify(*trusted(site))

    assert verified.code == 3
    assert verified.proven(writer.producer) == 3
    assert "/production/edge" in verified.findings


def test_continued_state_believes_no_gateway_that_lost_a_service(site: Site) -> None:
    state, file = str(site.folder / "state"), site.folder / "trust.toml"
    writer = Writer(1, signer=GATEWAY, via=VIA)
    site.put(writer.run(3))
    before = site.verify(*trusted(site), "--state", state)
    same = site.verify(*trusted(site), "--state", state, "--continue")

    after = site.verify(*trust_file(file, *entries(GATEWAY, VIA, "/production/shop")), "--state", state, "--continue")

    assert [before.code, same.code, after.code] == [0, 0, 4]
    assert same.of(writer.producer)["via"] == VIA
    assert after.of(writer.producer)["verdict"] == "unverifiable"


def test_bare_key_is_of_one_service_and_of_no_gateway(site: Site) -> None:
    writer = Writer(1, signer=GATEWAY, via=VIA)
    site.put(writer.run(3))

    verified = site.verify("--public-key", GATEWAY.public_key)

    assert verified.code == 4
    assert "telemetry trust add --gateway" in verified.findings


def test_note_of_a_stranger_names_no_gateway(site: Site) -> None:
    """W writes a checkpoint of its own over a genuine event: what it claims is no fact."""
    writer = site.writer(signer=Signer(9, "stranger"), via="/production/pwned")
    event = writer.event()
    site.put([event, writer.checkpoint(final=True)])

    ended = site.run("lineage", str(parse(event.value or b"").attributes["id"]), *trusted(site))

    assert "not believed" in ended.out.decode() or "no key which is believed" in ended.out.decode()
    assert "pwned" not in ended.out.decode()


def test_stream_of_a_gateway_that_was_deleted_is_missing_for_a_witness(site: Site) -> None:
    left, deleted = (Writer(number, signer=GATEWAY, via=VIA) for number in (1, 2))
    honest, options = left.run(3), trusted(site)
    site.put([*honest, *deleted.run(3)])
    rosters = site.folder / "rosters"
    assert site.run_witness(rosters, *options).code == 0
    witness = SigningKey.load(rosters.with_name("witness-key"), SecretStr(PASSPHRASE)).public_key
    required = (*options, "--require-witness", witness, "--roster", rosters.absolute().as_uri())

    with site.rewritten(honest) as attacked:
        verified = attacked.verify(*required)

    assert site.verify(*required).code == 0
    assert (verified.code, verified.proven(left.producer)) == (4, 3)
    assert deleted.producer in str(verified.report)


@pytest.mark.parametrize(
    ("signer", "is_held"), [(GATEWAY, True), (PAYMENTS, False)], ids=["its gateway", "the service"]
)
def test_object_in_the_fallback_is_held_by_the_key_of_its_gateway(site: Site, signer: Signer, is_held: bool) -> None:
    """The key of the service may not vouch for what the gateway logged."""
    store = site.folder / "fallback"
    store.mkdir(mode=0o700)
    writer = Writer(1, signer=GATEWAY, via=VIA)
    events = [writer.event() for _ in range(3)]
    site.put([writer.checkpoint(final=True)])
    put(store, name_of(1, producer=writer.producer, count=3), sealed(events, producer=writer.producer, signer=signer))
    text = site.file.read_text()
    site.file.write_text(text.partition("[audit_config.encryption_config]")[0])

    verified = site.verify(*trusted(site), "--fallback-path", str(store))

    assert (HELD in verified.findings) is is_held
    assert verified.verdict == ("unverifiable" if is_held else "missing")
