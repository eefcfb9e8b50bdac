"""Answers how the pipeline of a process is: its gauges, its direction, its health."""
