"""Gives mapped events a form that Apache Arrow knows; needs the extra ``parquet``."""
