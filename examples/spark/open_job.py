"""Opens the events of an archive with Spark and counts them; the read is recorded in the trail first."""

import sys

from pyspark.sql.pandas.types import from_arrow_schema
from session import TABLE, open_session

from telemetry.spark import OPENED_SCHEMA, open_rows, record_read

config, reason = sys.argv[1], sys.argv[2]
spark = open_session("open")
keys = spark.table(TABLE).select("kid").where("kid IS NOT NULL").distinct().count()
snapshot = spark.table(f"{TABLE}.snapshots").orderBy("committed_at", ascending=False).first().snapshot_id
print("data keys", keys)
record_read(config, archive=TABLE, snapshot=snapshot, reason=reason)
opened = (
    spark.table(TABLE)
    .where("kind = 'event'")
    .mapInArrow(lambda batches: open_rows(batches, config=config), from_arrow_schema(OPENED_SCHEMA))
)
opened.createOrReplaceTempView("opened")
spark.sql(
    "SELECT event_type, count(DISTINCT producer, sequence) AS events, count(error) AS errors FROM opened GROUP BY ALL ORDER BY 1"
).show(truncate=False)
spark.stop()
