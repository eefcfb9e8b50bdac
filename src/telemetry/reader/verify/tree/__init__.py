"""Fold one producer's records into its signed Merkle trees, in bounded memory."""
