"""Read the rosters of witnesses: which streams they saw, how large, and when."""
