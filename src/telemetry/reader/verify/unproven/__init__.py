"""Keep what no trusted key has proven, until it is proven or turns out to be foreign."""
