"""Turns one foreign log line into the arguments of ``log()``, as a preset says."""
