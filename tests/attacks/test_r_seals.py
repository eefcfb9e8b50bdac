"""R may only unwrap, but then has the data key, with which new events can be sealed: in any name, and at any time."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from telemetry.format.value import jwe
from telemetry.format.value.message import context_of
from tests.attacks.forge import Writer
from tests.attacks.site import Site


class UnwrappedKey:
    """A data key that a reader obtained from a record, as a writer's key.

    Args:
        site: The service that is attacked.
        victim: A process whose data key was used long ago.
    """

    def __init__(self, site: Site, victim: Writer) -> None:
        sealing = victim.key
        assert sealing is not None
        self.key_uri, self.wrapped = sealing.key_uri, sealing.wrapped
        plain = site.keys.provider.unwrap(self.wrapped, self.key_uri, context_of(victim.source))
        self.cipher = AESGCM(plain)
        self.protected = jwe.protected_header(jwe.key_id(plain, key_uri=self.key_uri, wrapped=self.wrapped))


@pytest.fixture
def victim(site: Site) -> Writer:
    """A process that ended: its checkpoints say which of its events were sealed with its data key."""
    victim = site.writer()
    site.put(victim.run(20))
    return victim


@pytest.mark.parametrize("command", [("tail", "--json"), ("export",)], ids=["tail", "export"])
def test_events_after_the_span_of_a_key_are_refused(site: Site, victim: Writer, command: tuple[str, ...]) -> None:
    forged = Writer(producer=victim.producer, key=UnwrappedKey(site, victim), first=victim.sequence)  # type: ignore[arg-type]
    site.put([forged.event("wire_transfer")])

    ended = site.run(*command, "--public-key", site.keys.public_key)

    assert ended.out.count(b'"payment"') == 20
    assert b"wire_transfer" not in ended.out


@pytest.mark.parametrize("command", [("tail", "--json"), ("export",)], ids=["tail", "export"])
def test_events_of_an_invented_process_are_refused(site: Site, victim: Writer, command: tuple[str, ...]) -> None:
    forged = Writer(77, key=UnwrappedKey(site, victim))  # type: ignore[arg-type]
    site.put([forged.event("wire_transfer")])

    ended = site.run(*command, "--public-key", site.keys.public_key)

    assert ended.out.count(b'"payment"') == 20
    assert b"wire_transfer" not in ended.out


def test_event_that_a_reader_sealed_is_not_proven(site: Site, victim: Writer) -> None:
    # Within the span: a rival of an event that the process signed.
    forged = Writer(producer=victim.producer, key=UnwrappedKey(site, victim), first=7)  # type: ignore[arg-type]
    site.put([forged.event("wire_transfer")])

    ended = site.run("tail", "--json", "--public-key", site.keys.public_key)

    lines = ended.out.decode().splitlines()
    assert sum('"proven":"yes"' in line for line in lines) == 20
    assert [line for line in lines if "wire_transfer" in line and '"proven":"no"' not in line] == []
