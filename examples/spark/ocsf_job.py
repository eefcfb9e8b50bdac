"""Writes one class of OCSF in the layout of an Amazon Security Lake custom source with Spark."""

import sys

from pyspark.sql.pandas.types import from_arrow_schema
from session import TABLE, open_session

from telemetry.spark import ocsf_rows, ocsf_schema, record_read

config, folder, class_uid = sys.argv[1], sys.argv[2], int(sys.argv[3])
spark = open_session("ocsf")
record_read(config, archive=TABLE, reason="delivery to the lake")
records = (
    spark.table(TABLE)
    .where("kind = 'event'")
    .mapInArrow(
        lambda batches: ocsf_rows(batches, config=config, class_uid=class_uid),
        from_arrow_schema(ocsf_schema(class_uid)),
    )
)
place = f"{folder}/ext/telemetry-{class_uid}/1.0/region=eu-central-1/accountId=123456789012"
records.orderBy("time").write.partitionBy("eventDay").option("compression", "zstd").parquet(place)
spark.stop()
