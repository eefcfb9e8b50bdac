"""Writes and reads the Parquet files of an archive through the library's own stores."""
