"""Draws the sample of a pack again, from its seed and its population."""

from __future__ import annotations

from telemetry.evidence.check.report import Findings
from telemetry.evidence.pack.archive import Archive
from telemetry.evidence.pack.manifest import Manifest
from telemetry.evidence.pack.names import MANIFEST, POPULATION
from telemetry.evidence.pack.population import decode_population
from telemetry.evidence.pack.sample import METHOD, Sample, sample_ids
from telemetry.exceptions import FormatError, TamperedError, TelemetryError


def check_sample(archive: Archive, manifest: Manifest, intact: frozenset[str], findings: Findings) -> None:
    """Check that the events of a pack are the sample that its seed draws from its population.

    1. As many events were selected as the pack has, or as its population; of events that were named some may be absent.
    2. The method is known, and the population is there, with as many events as the manifest says.
    3. Seed and population give exactly the events of the manifest.
    """
    check, facts = findings.begin("sample"), manifest.request.sample
    # 1.
    selected, most = manifest.counts.selected, len(manifest.events) if facts is None else facts.population
    if selected > most or (selected < most and not manifest.request.ids):
        check.add(MANIFEST, f"says that {selected:,} events were selected, and {most:,} are named")
    if facts is None:
        if POPULATION in intact:
            check.add(POPULATION, "belongs to a sample, and the manifest names none")
        if check.has_findings:
            check.conclude("no sample")
        return
    detail = f"seed {facts.seed}"
    if POPULATION not in intact:
        check.add(POPULATION, "the sample cannot be drawn again: its population is missing or was altered")
        check.conclude(detail)
        return
    try:
        # 2.
        if facts.method != METHOD:
            message = f"the sample was drawn by a method that this version does not know: {facts.method[:64]!r}"
            raise FormatError(message)
        population = decode_population(archive.read(POPULATION))
        if len(population) != facts.population:
            message = f"it has {len(population):,} events, and the manifest says {facts.population:,}"
            raise TamperedError(message)
        # 3.
        drawn = sample_ids(population, Sample(size=facts.size, seed=facts.seed))
        if drawn != [event.id for event in manifest.events]:
            message = "seed and population give other events than those of the manifest"
            raise TamperedError(message)
        detail = f"{len(drawn):,} of {len(population):,} events, drawn again from seed and population"
    except TelemetryError as exc:
        check.add(POPULATION, f"the sample does not hold: {exc}")
    check.conclude(detail)
