"""Archives a topic with Spark, in bounded batches: the offsets are in Iceberg's snapshot. Run one of them at a time."""

import json
import sys

from confluent_kafka import Consumer, TopicPartition
from pyspark.sql.pandas.types import from_arrow_schema
from session import TABLE, open_session

from telemetry.spark import ARCHIVE_SCHEMA, archive_rows

brokers, topic, most = sys.argv[1], sys.argv[2], int(sys.argv[3])
spark = open_session("archive")
key = f"telemetry.offsets.{topic}"


def positions() -> dict[int, int]:
    """Return where the last commit ended."""
    snapshots = spark.table(f"{TABLE}.snapshots").orderBy("committed_at", ascending=False).select("summary").collect()
    found = next((row.summary[key] for row in snapshots if key in row.summary), "{}")
    return {int(partition): offset for partition, offset in json.loads(found).items()}


def bounds() -> dict[int, tuple[int, int]]:
    """Return the first offset of each partition and the one after its last."""
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "spark-archive"})
    partitions = consumer.list_topics(topic, 30).topics[topic].partitions
    found = {each: consumer.get_watermark_offsets(TopicPartition(topic, each), 30) for each in partitions}
    consumer.close()
    return found


while True:
    now, reached = bounds(), positions()
    starts = {each: reached.get(each, low) for each, (low, _) in now.items()}
    ends = {each: min(high, starts[each] + most) for each, (_, high) in now.items()}
    if starts == ends:
        break
    records = (
        spark.read.format("kafka")
        .option("kafka.bootstrap.servers", brokers)
        .option("subscribe", topic)
        .option("startingOffsets", json.dumps({topic: starts}))
        .option("endingOffsets", json.dumps({topic: ends}))
        .option("failOnDataLoss", "true")
        .option("includeHeaders", "true")
        .load()
    )
    rows = records.mapInArrow(archive_rows, from_arrow_schema(ARCHIVE_SCHEMA))
    rows.writeTo(TABLE).option(f"snapshot-property.{key}", json.dumps(ends)).append()
    print("archived", sum(ends.values()) - sum(starts.values()))
spark.stop()
