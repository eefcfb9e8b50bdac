"""Encode proofs: the Merkle tree, signed notes, checkpoints, inclusion proofs."""
