"""Proves every event of an archive with Spark: the executors hash, the driver compares with what was signed."""

import sys

from pyspark.sql.pandas.types import from_arrow_schema
from session import TABLE, open_session

from telemetry.spark import RANGES_SCHEMA, judge_ranges, signed_checkpoints, verify_ranges

spark = open_session("verify")
signed = spark.table(TABLE).where("kind = 'checkpoint'").select("value").toLocalIterator()
checkpoints = signed_checkpoints((row.value for row in signed), trust=sys.argv[1])
cuts = spark.sparkContext.broadcast({stream: [each.size for each in found] for stream, found in checkpoints.items()})
ranges = (
    spark.table(TABLE)
    .where("kind IN ('event', 'ended')")
    .select("kind", "environment", "service", "producer", "sequence", "until", "value", "leaf")
    .mapInArrow(lambda batches: verify_ranges(batches, cuts=cuts.value), from_arrow_schema(RANGES_SCHEMA))
)
report = judge_ranges((row.asDict() for row in ranges.toLocalIterator()), checkpoints)
print("events", report.events, "proven", report.proven, "ended", report.ended, "findings", len(report.findings))
for finding in report.findings[:100]:
    print(finding.verdict, finding.source, finding.producer, finding.first, finding.last, finding.reason)
spark.stop()
sys.exit(0 if report.is_complete else 4)
