"""Registers the files of an archive in its Iceberg table, for every engine that reads Iceberg."""
