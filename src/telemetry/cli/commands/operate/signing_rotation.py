"""Replaces a signing key by a new one, and says what auditors write into their trust file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from telemetry.cli.output.console import err, write_line
from telemetry.exceptions import ConfigurationError, Problem

if TYPE_CHECKING:
    from telemetry.encryption.signing_key import SigningKey

_RESTARTS = timedelta(days=1)
"""The former key is suggested to end this long after the rotation: the processes are restarted in the meantime."""
_ENTRY = """\
[[key]]
public = {public}
roles = ["service"]
sources = [{sources}]
{dates}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningRotation:
    """A rotation as it was asked for.

    Attributes:
        former: File of the key that is replaced.
        target: File of the new key.
        name: Name of the new key in signatures.
        sources: Sources that the keys sign for, for the trust file; empty leaves a place for them.
        storage_secret: File to write the former key's storage secret to; None writes none.
    """

    former: Path
    target: Path
    name: str
    sources: tuple[str, ...] = ()
    storage_secret: Path | None = None

    def run(self, passphrase: str, new_passphrase: str) -> None:
        """Create the new key file; print the entries of the trust file, and what to do next.

        Raises:
            ConfigurationError: The former key does not open, or a file cannot be created.
        """
        from telemetry.encryption.signing_key import SigningKey

        # 1. Nothing is written before the former key has opened: anyone else creates a key, and rotates none.
        former = SigningKey.load(self.former, passphrase)
        if former.name == self.name:
            raise ConfigurationError(Problem("--name", "is the name of the former key", "give the new key its own"))
        # 2. The secret first: a new key without it may make what is stored unreadable.
        if self.storage_secret is not None:
            _write_storage_secret(former, self.storage_secret)
        new = SigningKey.create(self.target, new_passphrase, name=self.name)
        # 3. The entries alone, so that the output can be redirected.
        now = datetime.now(UTC).replace(microsecond=0)
        end = now + _RESTARTS
        write_line(self._entry(former.public_key, f"not_after = {end:%Y-%m-%dT%H:%M:%SZ}"))
        write_line(self._entry(new.public_key, f"not_before = {now:%Y-%m-%dT%H:%M:%SZ}").rstrip())
        self._advise()

    def _entry(self, public: str, dates: str) -> str:
        sources = ", ".join(json.dumps(source) for source in self.sources or ("/ENVIRONMENT/SERVICE",))
        # A text of JSON in ASCII is one of TOML as well.
        return _ENTRY.format(public=json.dumps(public), sources=sources, dates=dates)

    def _advise(self) -> None:
        steps = [
            "1. Put both entries, with the sources of the key, into the trust file of every auditor in place of the former one.",
            f"2. Set signing_config.key_path to {self.target} and restart the processes, within a day, or correct not_after.",
            f"3. Keep {self.former} until nothing waits in spool and store; then destroy it.",
            "A stolen key gets revoked_from instead of not_after.",
        ]
        if self.storage_secret is None:
            steps[2] += " Without a storage_secret of your own, what waits there is sealed under the former key:"
            steps[2] += " let it drain first, or rotate with --former-storage-secret."
        else:
            steps.insert(2, f"   List {self.storage_secret} in former_storage_secret_files: it opens what waits there.")
        for step in steps:
            err.print(step, markup=False, highlight=False, soft_wrap=True)


def _write_storage_secret(key: SigningKey, path: Path) -> None:
    from telemetry.encryption.storage_secret import FROM_SIGNING_KEY
    from telemetry.format import canonical_base64
    from telemetry.system.durable_file import write_durably

    secret = canonical_base64.encode(key.derive_secret(FROM_SIGNING_KEY)).encode()
    try:
        write_durably(path, secret + b"\n", replace=False)
    except OSError as exc:
        problem = Problem("--former-storage-secret", f"{path} cannot be created: {exc.strerror}", "choose another path")
        raise ConfigurationError(problem) from exc
