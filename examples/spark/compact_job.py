"""Rewrites the files of an archive with Spark: few, large, in the table's order. `telemetry archive seal` signs the result."""

from session import open_session

spark = open_session("compact")
done = spark.sql(
    "CALL telemetry.system.rewrite_data_files(table => 'audit.events', strategy => 'sort', "
    "options => map('rewrite-all', 'true', 'target-file-size-bytes', '134217728'))"
).first()
print("rewrote", done.rewritten_data_files_count, "files into", done.added_data_files_count)
spark.stop()
