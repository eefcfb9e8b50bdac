"""Rewrites the files of an archive with Spark: few, large and sorted. `telemetry archive seal` signs the result."""

from session import open_session

spark = open_session("compact")
done = spark.sql(
    "CALL telemetry.system.rewrite_data_files(table => 'audit.events', strategy => 'sort', "
    "sort_order => 'service, producer, sequence, kind', "
    "options => map('rewrite-all', 'true', 'target-file-size-bytes', '134217728'))"
).collect()[0]
print("rewrote", done.rewritten_data_files_count, "files into", done.added_data_files_count)
spark.stop()
