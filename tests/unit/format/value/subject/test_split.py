"""Members of an event belong beside the content or into it: never both, and each where the format says."""

from __future__ import annotations

import msgspec
import pytest

from telemetry.exceptions import MalformedRecordError
from telemetry.format.value.event import AuditEvent
from telemetry.format.value.subject.split import (
    CONTENT_MEMBERS,
    OPEN_MEMBERS,
    SHOWABLE_MEMBERS,
    require_split,
)


def test_every_member_of_an_event_has_its_part() -> None:
    members = {field.name for field in msgspec.structs.fields(AuditEvent)} | {"salt"}

    assert members == {*CONTENT_MEMBERS, *SHOWABLE_MEMBERS, *OPEN_MEMBERS}
    assert len(members) == len(CONTENT_MEMBERS) + len(SHOWABLE_MEMBERS) + len(OPEN_MEMBERS)


def test_members_in_their_own_part() -> None:
    require_split(
        b'{"id":"1","outcome":"denied","clear_fields":["outcome","version"]}', b'{"user_id":"a","action":"b"}'
    )
    require_split(b'{"id":"1"}', None)


@pytest.mark.parametrize("name", CONTENT_MEMBERS)
@pytest.mark.parametrize("content", [b"{}", None])
def test_content_beside_the_content(name: str, content: bytes | None) -> None:
    with pytest.raises(MalformedRecordError, match="wrong part"):
        require_split(b'{"%b":null}' % name.encode(), content)


@pytest.mark.parametrize("name", OPEN_MEMBERS)
def test_open_member_in_the_content(name: str) -> None:
    with pytest.raises(MalformedRecordError, match="wrong part"):
        require_split(b"{}", b'{"%b":null}' % name.encode())


@pytest.mark.parametrize("name", SHOWABLE_MEMBERS)
def test_showable_member_is_beside_the_content_if_shown(name: str) -> None:
    member, shown = b'"%b":1' % name.encode(), b'"clear_fields":["%b"]' % name.encode()

    require_split(b"{%b,%b}" % (member, shown), b"{}")
    require_split(b"{}", b"{%b}" % member)
    for beside, content in (
        (b"{%b}" % member, b"{}"),
        (b"{%b}" % member, None),
        (b"{%b}" % shown, b"{}"),
        (b"{%b}" % shown, b"{%b}" % member),
        (b"{%b,%b}" % (member, shown), b"{%b}" % member),
    ):
        with pytest.raises(MalformedRecordError, match="wrong part"):
            require_split(beside, content)


@pytest.mark.parametrize("field", ["user_id", "session_id", "ip_address", "tenant_id", "entity"])
def test_what_identifies_is_never_shown(field: str) -> None:
    with pytest.raises(MalformedRecordError, match="wrong part"):
        require_split(b'{"clear_fields":["%b"]}' % field.encode(), None)


@pytest.mark.parametrize("text", [b"", b"[]", b"1", b'{"clear_fields":1}', b"{", b"[" * 100_000])
def test_other_texts_are_no_parts(text: bytes) -> None:
    with pytest.raises(MalformedRecordError):
        require_split(text, None)
