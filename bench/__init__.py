"""Measures this library beside others: every contender in a process of its own, in turns, several rounds."""
