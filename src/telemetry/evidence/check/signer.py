"""Checks who signed the manifest of a pack, and whether a trust file lets that key vouch for packs."""

from __future__ import annotations

from collections.abc import Iterable

from telemetry.evidence.check.report import SIGNER, UNPROVEN, Findings
from telemetry.evidence.pack.archive import Archive
from telemetry.evidence.pack.keys import PackKeys
from telemetry.evidence.pack.manifest import Manifest
from telemetry.evidence.pack.names import MANIFEST, NOTE
from telemetry.evidence.pack.note import ManifestNote, parse_manifest_note, require_manifest
from telemetry.exceptions import TamperedError, TelemetryError
from telemetry.format.proof.signed_note import Note, PublicKey, require_signed, verify_note
from telemetry.reader.trust import Judgement, Role, Statement, TrustPolicy
from telemetry.reader.trust.judgement import label_of

AUDITORS = frozenset({Role.AUDITOR})


class SignerCheck:
    """The check of the manifest's signature.

    Args:
        archive: The pack.
        manifest: The manifest, as it was read.
        policy: Who may sign what; None where nobody said.
        keys: The keys inside the pack, which are material and no reason to believe anything.
        findings: Gets what is found.
    """

    def __init__(
        self, archive: Archive, manifest: Manifest, policy: TrustPolicy | None, keys: PackKeys, findings: Findings
    ) -> None:
        self._archive = archive
        self._manifest = manifest
        self._policy = policy
        self._keys = keys
        self._accepted: list[PublicKey] = []
        self._check = findings.begin(SIGNER)

    def check(self) -> None:
        """Check the signature.

        1. The manifest says who signs it, and there is a note; or neither.
        2. The note is that of this manifest, and of the time that the manifest names.
        3. A key that may vouch for packs signed the note: one with the role ``auditor``, inside its dates, not revoked.
        4. The manifest names that key.
        """
        self._check.conclude(self._detail())

    def why_not_for(self, source: str) -> str:
        """Return why no key that signed may vouch for what a source logged; empty if one may, or nothing says whose they are.

        Args:
            source: Source of a proven record.
        """
        if self._policy is None or not self._accepted:
            return ""
        # Each entry of the key by its own dates. It vouches for several services, so it is bound to none of them.
        policy = TrustPolicy(self._policy.keys, late=self._policy.late)
        statement = Statement(roles=AUDITORS, source=source, signed_at=self._manifest.created)
        judgements = [policy.judge(key, statement) for key in self._accepted]
        if any(each.accepted for each in judgements):
            return ""
        reasons = "; ".join(f"{each.signer}: {each.why}" for each in judgements)
        return f"is of {source}, and the signer of the manifest may not vouch for that ({reasons})"

    def _detail(self) -> str:
        claimed = self._manifest.attested_by
        # 1.
        if NOTE not in self._archive:
            if claimed is not None:
                self._check.add(NOTE, f"is missing: the manifest says that {claimed} signs it")
                return "the signature was removed"
            reason = "nobody signed the manifest: what was asked, what was found and the content are nobody's word"
            self._check.add(MANIFEST, reason, exit_code=UNPROVEN)
            return "nobody signed the manifest"
        try:
            # 2.
            note, stated = parse_manifest_note(self._archive.read(NOTE))
            require_manifest(stated, self._archive.read(MANIFEST))
            if stated.time != self._manifest.created:
                message = "the note names another time than the manifest"
                raise TamperedError(message)
            # 3.
            labels, detail = self._believed(note, stated)
            # 4.
            if claimed not in labels:
                message = (
                    f"the manifest names {claimed or 'nobody'} as its signer, and was signed by {', '.join(labels)}"
                )
                raise TamperedError(message)
        except TelemetryError as exc:
            self._check.add(NOTE, str(exc))
            return "the signature does not hold, or its key is not believed"
        return detail

    def _believed(self, note: Note, stated: ManifestNote) -> tuple[list[str], str]:
        """Return the labels of the keys that are believed, and the words for it.

        Raises:
            TamperedError: A signature does not hold, or no key that signed may vouch for packs.
        """
        if self._policy is None:
            signers = require_signed(note, self._keys.auditors)
            labels = [label_of(key) for key in signers]
            reason = f"signed by {', '.join(labels)}, a key of the pack itself; name whom you trust with --trust"
            self._check.add("", f"consistent with itself, signer not known: {reason}", exit_code=UNPROVEN)
            return labels, reason
        signers = verify_note(note, self._policy.candidates())
        if not signers:
            message = (
                f"no trusted key signed the note; it is signed by {', '.join(line.label for line in note.signatures)}: if you "
                "know that auditor, add the key to the trust file with the role auditor, or name it with --auditor"
            )
            raise TamperedError(message)
        accepted = _accepted(self._policy, signers, stated)
        self._accepted = [each.key for each in accepted]
        words = "; ".join(f"{each.signer}: {each.why}" for each in accepted)
        return [each.signer for each in accepted], f"signed at {stated.time} by {words}"


def _accepted(policy: TrustPolicy, signers: Iterable[PublicKey], stated: ManifestNote) -> list[Judgement]:
    statement = Statement(roles=AUDITORS, source="", signed_at=stated.time)
    judgements = [policy.judge(key, statement) for key in signers]
    accepted = [each for each in judgements if each.accepted and not policy.is_revoked(each.key)]
    if not accepted:
        reasons = "; ".join(f"{each.signer}: {_why_not(each)}" for each in judgements)
        message = f"no key that signed the manifest may vouch for a pack ({reasons})"
        raise TamperedError(message)
    return accepted


def _why_not(judgement: Judgement) -> str:
    # No clock but the signer's says when it signed, so a key that is in wrong hands could give any date.
    return "the key is revoked, and only its own clock says when it signed" if judgement.accepted else judgement.why
