"""The evidence pack: one file with events, their proofs and the verification, which can be checked offline years later."""
