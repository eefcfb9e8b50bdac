"""Who may sign what, and from when until when."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from telemetry.format.proof.signed_note import PublicKey
from telemetry.reader.trust import (
    Role,
    SourceRule,
    Statement,
    TimeBasis,
    TrustedKey,
    TrustPolicy,
    matches,
    roles_of,
)
from telemetry.reader.trust.policy import signers_of

PAYMENTS = PublicKey("payments", b"p" * 32)
MARKETING = PublicKey("marketing", b"m" * 32)
START = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2026, 6, 1, tzinfo=UTC)


def _statement(
    *,
    source: str = "/production/payments",
    at: datetime = START,
    topic: str | None = "audit-events",
    appended: datetime | None = None,
    rostered: datetime | None = None,
) -> Statement:
    return Statement(
        roles=roles_of(source),
        source=source,
        topic=topic,
        signed_at=at.isoformat().replace("+00:00", "Z"),
        appended_at=appended.timestamp() if appended is not None else None,
        rostered_at=rostered.timestamp() if rostered is not None else None,
    )


def _key(
    public: PublicKey = PAYMENTS,
    *,
    role: Role = Role.SERVICE,
    sources: tuple[str, ...] = ("/production/payments",),
    topics: tuple[str, ...] | None = None,
    not_before: datetime | None = None,
    not_after: datetime | None = None,
    revoked_from: datetime | None = None,
) -> TrustedKey:
    return TrustedKey(
        public=public,
        roles=frozenset({role}),
        sources=sources,
        topics=topics,
        not_before=not_before,
        not_after=not_after,
        revoked_from=revoked_from,
    )


def test_key_signs_for_its_own_source() -> None:
    judgement = TrustPolicy((_key(),)).judge(PAYMENTS, _statement())
    assert judgement.accepted
    assert judgement.reason == "service key for /production/payments"
    assert not judgement.is_self_asserted


@pytest.mark.parametrize(
    ("key", "statement", "reason"),
    [
        (_key(sources=("/production/marketing",)), _statement(), "may not sign for /production/payments"),
        (_key(role=Role.READER), _statement(), "has the role reader"),
        (_key(topics=("staging-events",)), _statement(), "may not sign for the topic audit-events"),
        (_key(MARKETING), _statement(), "is not trusted"),
        (_key(not_before=END), _statement(), "is valid from 2026-06-01"),
        (_key(not_after=END), _statement(at=END + timedelta(seconds=1), appended=END), "was valid until"),
        (_key(not_after=END), _statement(appended=END + timedelta(days=8)), "was valid until 2026-06-01"),
        (_key(revoked_from=END), _statement(at=END), "is revoked from 2026-06-01"),
        (_key(revoked_from=END), _statement(appended=END + timedelta(seconds=1)), "is revoked from"),
        (_key(not_before=START), _statement(appended=START - timedelta(days=1)), "is valid from"),
    ],
)
def test_signature_outside_its_rights_is_refused(key: TrustedKey, statement: Statement, reason: str) -> None:
    judgement = TrustPolicy((key,)).judge(PAYMENTS, statement)
    assert not judgement.accepted
    assert reason in judgement.reason


def test_record_appended_late_but_signed_in_time() -> None:
    statement = _statement(at=END - timedelta(hours=1), appended=END + timedelta(days=6))
    assert TrustPolicy((_key(not_after=END),)).judge(PAYMENTS, statement).accepted


def test_dates_without_an_independent_clock() -> None:
    judgement = TrustPolicy((_key(not_after=END),)).judge(PAYMENTS, _statement())
    assert judgement.accepted
    assert judgement.is_self_asserted


@pytest.mark.parametrize(
    ("before", "accepted", "basis"),
    [
        (timedelta(minutes=10), True, TimeBasis.APPEND),
        (timedelta(hours=2), False, TimeBasis.ROSTER),
        (timedelta(days=-30), False, TimeBasis.ROSTER),
    ],
    ids=["a round of the witness", "dated back", "a copy of long after"],
)
def test_earlier_of_two_clocks_counts_within_an_hour(before: timedelta, accepted: bool, basis: TimeBasis) -> None:
    seen = END + timedelta(minutes=5)
    statement = _statement(appended=seen - before, rostered=seen)
    judgement = TrustPolicy((_key(revoked_from=END),)).judge(PAYMENTS, statement)
    assert (judgement.accepted, judgement.time_basis) == (accepted, basis)


def test_roster_before_a_late_append_counts() -> None:
    statement = _statement(appended=END + timedelta(days=30), rostered=END)
    judgement = TrustPolicy((_key(not_after=END),)).judge(PAYMENTS, statement)
    assert judgement.accepted
    assert judgement.time_basis is TimeBasis.ROSTER


def test_two_entries_of_one_key() -> None:
    policy = TrustPolicy((_key(), _key(sources=("/staging/payments",))))
    assert policy.candidates() == (PAYMENTS,)
    assert policy.judge(PAYMENTS, _statement(source="/staging/payments")).accepted


def test_named_key_serves_one_service() -> None:
    policy = TrustPolicy.of_keys([PAYMENTS, MARKETING])
    assert policy.judge(PAYMENTS, _statement()).accepted
    assert policy.judge(MARKETING, _statement(source="/production/marketing")).accepted
    assert policy.judge(PAYMENTS, _statement(source="/production/telemetry-reader")).accepted
    refused = policy.judge(MARKETING, _statement())
    assert not refused.accepted
    assert "signs for /production/marketing already" in refused.reason


def test_binding_of_an_earlier_verification_continues() -> None:
    policy = TrustPolicy.of_keys([MARKETING])
    policy.bind(MARKETING, "/production/marketing")
    assert not policy.judge(MARKETING, _statement()).accepted


def test_policy_afresh_forgets_whom_keys_signed_for() -> None:
    policy = TrustPolicy.of_keys([MARKETING])
    policy.bind(MARKETING, "/production/marketing")

    assert policy.afresh().judge(MARKETING, _statement()).accepted
    assert not policy.judge(MARKETING, _statement()).accepted


@pytest.mark.parametrize("time", ["2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z", "now", "", "2026-01-01T00:00:00"])
def test_time_that_is_none_is_refused(time: str) -> None:
    statement = Statement(roles=frozenset({Role.SERVICE}), source="/production/payments", signed_at=time)
    assert not TrustPolicy((_key(not_after=END),)).judge(PAYMENTS, statement).accepted


def test_append_time_beyond_every_calendar() -> None:
    statement = Statement(
        roles=frozenset({Role.SERVICE}),
        source="/production/payments",
        signed_at="2026-01-01T00:00:00Z",
        appended_at=1e300,
    )
    TrustPolicy((_key(not_after=END),)).judge(PAYMENTS, statement)


@pytest.mark.parametrize(
    ("pattern", "source", "expected"),
    [
        ("/production/*", "/production/payments", True),
        ("/*/payments", "/production/payments", True),
        ("/*", "/production/payments", False),
        ("*", "/production/payments", False),
        ("/production/pay*", "/production/payments", True),
        ("/production/payments", "/production/payments2", False),
    ],
)
def test_star_stays_within_one_part(pattern: str, source: str, *, expected: bool) -> None:
    assert matches(pattern, source) is expected


def test_clear_events_until_a_date() -> None:
    policy = TrustPolicy((_key(),), rules=(SourceRule(name="/production/*", clear_until=END),))
    assert policy.clear_until("/production/payments") == END
    assert policy.clear_until("/staging/payments") is None


def _of_a_gateway(*, source: str = "/production/payments", via: str = "/production/gateway") -> Statement:
    return replace(_statement(source=source), roles=roles_of(source, via), via=via)


def _gateway(*services: str) -> TrustPolicy:
    return TrustPolicy(
        (_key(role=Role.GATEWAY, sources=services), _key(role=Role.SERVICE, sources=("/production/gateway",)))
    )


def test_gateway_signs_for_listed_services_through_itself() -> None:
    policy = _gateway("/production/payments")
    assert policy.judge(PAYMENTS, _of_a_gateway()).accepted
    assert policy.judge(PAYMENTS, _statement(source="/production/gateway")).accepted
    assert not policy.judge(PAYMENTS, _statement()).accepted
    assert not policy.judge(PAYMENTS, _of_a_gateway(via="/production/edge")).accepted
    assert not policy.judge(PAYMENTS, _of_a_gateway(source="/production/ledger")).accepted


def test_key_of_a_service_is_no_gateway() -> None:
    assert not TrustPolicy((_key(),)).judge(PAYMENTS, _of_a_gateway()).accepted
    assert not TrustPolicy.of_keys([PAYMENTS]).judge(PAYMENTS, _of_a_gateway()).accepted


def test_gateway_without_an_own_source_is_refused() -> None:
    judgement = TrustPolicy((_key(role=Role.GATEWAY),)).judge(PAYMENTS, _of_a_gateway())
    assert "needs an entry with the role service for its own source" in judgement.reason


@pytest.mark.parametrize("service", ["telemetry-reader", "telemetry-witness"])
def test_no_gateway_signs_for_readers_or_witnesses(service: str) -> None:
    source = f"/production/{service}"
    every = frozenset(Role)
    policy = TrustPolicy((replace(_key(sources=("/production/*",)), roles=every),))
    assert policy.judge(PAYMENTS, _statement(source=source)).accepted
    assert "no gateway may log" in policy.judge(PAYMENTS, _of_a_gateway(source=source)).reason


def test_either_signer_may_have_signed_what_a_roster_names() -> None:
    assert signers_of("/production/payments") == {Role.SERVICE, Role.GATEWAY}
    assert signers_of("/production/telemetry-reader") == {Role.READER}
