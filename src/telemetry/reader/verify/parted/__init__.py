"""Hand over the streams of a share of the producers."""
