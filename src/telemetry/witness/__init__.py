"""Watch that the streams of a trail only grow, and publish rosters of them in an append-only log."""
