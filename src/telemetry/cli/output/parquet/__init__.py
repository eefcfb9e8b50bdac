"""Writes events as Parquet; needs the extra ``parquet``."""
