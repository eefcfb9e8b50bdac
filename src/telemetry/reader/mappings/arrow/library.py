"""Loads Apache Arrow, which the extra ``parquet`` brings."""

from telemetry.exceptions import MissingExtraError

try:
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter
except ImportError as exc:
    feature = "writing Parquet"
    raise MissingExtraError(feature, "parquet") from exc

__all__ = ["ParquetWriter", "pa"]
