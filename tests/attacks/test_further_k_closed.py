"""K, or a copy of a process, goes on with a stream that has ended."""

from __future__ import annotations

import pytest

from tests.attacks.forge import Writer
from tests.attacks.site import Site


@pytest.mark.parametrize("how", ["recovered", "final"])
def test_ended_stream_does_not_go_on_and_end_again(site: Site, how: str) -> None:
    """A process that signs its end logs nothing after it, and leaves nothing to be recovered."""
    payments = Writer(signer=site.keys.signing)
    lived = payments.run(3)
    added = [payments.event("wire_transfer") for _ in range(2)]
    site.put([*lived, *added, payments.checkpoint(final=how == "final", recovered=how == "recovered")])

    verified = site.verify()

    assert verified.code == 3
    assert "after the final one" in verified.findings


def test_stream_may_be_recovered_in_parts(site: Site) -> None:
    """Nobody attacks: a spool is adopted, and a later one of the same process too."""
    payments = Writer(signer=site.keys.signing)
    parts = [
        payments.event(),
        payments.checkpoint(recovered=True),
        payments.event(),
        payments.checkpoint(recovered=True),
    ]
    site.put(parts)

    assert site.verify().code == 0


def test_end_is_signed_twice(site: Site) -> None:
    """Nobody attacks: what a process has ended is recovered by another one that found its spool."""
    payments = Writer(signer=site.keys.signing)
    site.put([*payments.run(3), payments.checkpoint(recovered=True), payments.checkpoint(final=True)])

    assert site.verify().code == 0
