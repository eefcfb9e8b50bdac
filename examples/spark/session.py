"""Opens a Spark session on the table of an archive."""

import os

from pyspark.sql import SparkSession

TABLE = "telemetry.audit.events"


def open_session(name: str) -> SparkSession:
    """Return a session; the environment says where the catalog is, docs/spark.md explains the rest."""
    return (
        SparkSession.builder.appName(name)
        .config("spark.sql.extensions", "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions")
        .config("spark.sql.catalog.telemetry", "org.apache.iceberg.spark.SparkCatalog")
        .config("spark.sql.catalog.telemetry.type", os.environ.get("ARCHIVE_CATALOG_TYPE", "jdbc"))
        .config("spark.sql.catalog.telemetry.uri", os.environ["ARCHIVE_CATALOG_URI"])
        .config("spark.sql.catalog.telemetry.warehouse", os.environ["ARCHIVE_WAREHOUSE"])
        .config("spark.sql.catalog.telemetry.jdbc.schema-version", "V1")
        .config("spark.sql.session.timeZone", "UTC")
        # Keys are unwrapped in workers, and opened events cross the network between them.
        .config("spark.io.encryption.enabled", "true")
        .config("spark.authenticate", "true")
        .config("spark.network.crypto.enabled", "true")
        .getOrCreate()
    )
