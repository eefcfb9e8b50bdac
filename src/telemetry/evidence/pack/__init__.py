"""Write and read the files of an evidence pack: archive, manifest and its signature, content of events (docs/evidence.md)."""
