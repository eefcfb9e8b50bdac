"""Pipelines that send nothing: events stay in the memory of the process, are printed, dropped, or captured by a test."""
