from __future__ import annotations

import pytest

from telemetry.encryption.subjects.store.postgres import PostgresSubjectStore
from telemetry.exceptions import ConfigurationError
from telemetry.outbox.postgres import PostgresOutbox


@pytest.mark.parametrize("kind", [PostgresSubjectStore, PostgresOutbox])
@pytest.mark.parametrize("password", ["a@canary-7", "a@canary-7/x", "canary-7%zz"])
def test_password_that_is_not_encoded_is_in_no_message(kind: type, password: str) -> None:
    # libpq would take what follows the first @ for the host, and say that it cannot be found.
    with pytest.raises(ConfigurationError, match="percent-encoded") as refused:
        kind(f"postgresql://audit:{password}@127.0.0.1:1/keys")

    assert "canary-7" not in str(refused.value)
