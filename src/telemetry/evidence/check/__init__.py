"""Check the parts of an evidence pack: files, signature, proofs, content, sample, rosters."""
