"""Holds subjects' keys like a process that logs, and answers questions about them, one a line.

Usage: subject_worker.py STORE-URL FOLDER-OF-THE-KEY LEASE-SECONDS
"""

from __future__ import annotations

import sys
from pathlib import Path

from pydantic import SecretStr

from telemetry.config import SubjectKeysConfig
from telemetry.encryption.subjects.keyring import SubjectKeyring
from telemetry.encryption.subjects.store.opening import open_store
from telemetry.encryption.subjects.store_keys import StoreKeys
from telemetry.format.value.subject.subject_key import SubjectKey
from tests.support.subject_stores import SOURCE, local_provider


def main(url: str, folder: str, lease_seconds: str) -> None:
    """Answer ``take USER`` with a key id, or why there is none, and ``holds USER`` with what it says of the first key."""
    store = open_store(SubjectKeysConfig(store=SecretStr(url)), creates=True)
    provider = local_provider(Path(folder))
    keyring = SubjectKeyring(store, StoreKeys(store, provider), lease_seconds=float(lease_seconds), cached_keys=100)
    subjects, first = keyring.of(SOURCE), dict[str, SubjectKey]()
    for line in sys.stdin:
        question, _, user = line.strip().partition(" ")
        if question == "take":
            error = subjects.request([user]).exception(60)
            key = subjects.take(user)
            if key is not None:
                first.setdefault(user, key)
            answer = key.key_id if key is not None else type(error).__name__
        else:
            answer = str(subjects.still_holds(first[user]))
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()
    keyring.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
