"""A gateway adopts the segments of the streams that it carried, and no others."""

from __future__ import annotations

from pathlib import Path

import pytest

from telemetry.audit.spool.adoption import adopt_segments
from telemetry.audit.spool.folder_state import FolderState
from telemetry.audit.spool.owner import Owner
from telemetry.encryption.storage_keys import StorageKeys
from tests.support.leftovers import leave_segment, owner, records


def _gateway(*, is_sealed: bool = True, environment: str = "production", secret: str | None = None) -> Owner:
    options = {} if secret is None else {"secret": secret}
    own = owner(is_sealed=is_sealed, service="gateway", environment=environment, **options)
    return own._replace(carries_others=True)


def _adopted(folder: Path, of: Owner) -> list[str]:
    state = FolderState(folder, of.keys.secrets) if isinstance(of.keys, StorageKeys) else None
    segments = adopt_segments(folder, of, state=state)
    for segment in segments:
        segment.close()
    return [segment.source for segment in segments]


def test_stream_of_a_service_is_adopted(tmp_path: Path) -> None:
    leave_segment(tmp_path, records(3), of=owner(is_sealed=True))

    assert _adopted(tmp_path, _gateway()) == ["/production/shop"]


def test_process_without_streams_of_others_leaves_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    leave_segment(tmp_path, records(3), of=owner(is_sealed=True))

    assert _adopted(tmp_path, owner(is_sealed=True, service="gateway")) == []
    assert "another service's" in caplog.text


def test_stream_of_another_environment_is_left(tmp_path: Path) -> None:
    leave_segment(tmp_path, records(3), of=owner(is_sealed=True))

    assert _adopted(tmp_path, _gateway(environment="staging")) == []


def test_stream_without_a_seal_is_not_sent_for_others(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = leave_segment(tmp_path, records(3))

    assert _adopted(tmp_path, _gateway()) == []
    assert "cannot have logged" in caplog.text
    assert path.with_suffix(".quarantined").exists()


def test_gateway_without_any_key_adopts_what_it_wrote(tmp_path: Path) -> None:
    leave_segment(tmp_path, records(3))

    assert _adopted(tmp_path, _gateway(is_sealed=False)) == ["/production/shop"]
