"""Does in the background what a page would have to wait for: verification, proofs, packs."""
