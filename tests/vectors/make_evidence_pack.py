"""Makes ``evidence_pack.zip`` and ``evidence_pack.json``: a pack, whom to trust, and the key of its trail.

The keys are new each time, so the output differs; the pack that is here was written once, and every later version reads it.

Run it with ``python -m tests.vectors.make_evidence_pack FOLDER``.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from telemetry.evidence import EvidenceRequest, Sample
from telemetry.reader import EventFilter
from telemetry.testing import EmbeddedKafka
from tests.support.evidence_site import PASSPHRASE, EvidenceSite
from tests.support.in_process import run


def make(target: Path) -> None:
    """Write the vector: a sample of events that are attested, and of such that are disclosed, with a roster."""
    with EmbeddedKafka() as kafka, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        site = EvidenceSite(kafka.bootstrap_servers, folder, events=12)
        site.log(12, first=12, disclosable=True)
        text = (folder / "telemetry.toml").read_text("utf-8")
        (folder / "witness.toml").write_text(text.replace(str(folder / "signing"), str(folder / "witness")))
        watched = run(
            *("witness", "-c", str(folder / "witness.toml"), "--once", "--trust", str(site.trust)),
            *("--roster", (folder / "rosters").as_uri(), "--publish-topic"),
        )
        if watched.code:
            raise SystemExit(watched.err)
        request = EvidenceRequest(
            wanted=EventFilter(types=("order_",)),
            sample=Sample(size=8, seed="5e" * 32),
            reader="eve",
            reason="vector",
        )
        pack, _ = site.build(request)
        (target / "evidence_pack.zip").write_bytes(pack)
        values = {
            "trust": site.trust.read_text("utf-8"),
            "key": json.loads((folder / "key").read_text("utf-8")),
            "passphrase": PASSPHRASE,
        }
        (target / "evidence_pack.json").write_text(json.dumps(values, indent=2) + "\n")


if __name__ == "__main__":
    make(Path(sys.argv[1]))
