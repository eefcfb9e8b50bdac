"""Keeps a trail for years: as rows of an Apache Iceberg table, with a signed seal for each commit (docs/archive.md)."""
