// Logs audit events through the SDK of OpenTelemetry for Node: one JSON object a line, with the attributes of the event.
//
//   export OTEL_EXPORTER_OTLP_LOGS_ENDPOINT=https://gateway.example:4318/v1/logs
//   node app.mjs < events.jsonl
//
// Needs @opentelemetry/sdk-logs and @opentelemetry/exporter-logs-otlp-http.
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { OTLPLogExporter } from "@opentelemetry/exporter-logs-otlp-http";
import { BatchLogRecordProcessor, LoggerProvider } from "@opentelemetry/sdk-logs";

const { GATEWAY_CA, GATEWAY_CERTIFICATE, GATEWAY_KEY } = process.env;
const exporter = new OTLPLogExporter({
  timeoutMillis: 600_000, // in which it tries again; the default of 10 seconds loses events
  httpAgentOptions: { ca: readFileSync(GATEWAY_CA), cert: readFileSync(GATEWAY_CERTIFICATE), key: readFileSync(GATEWAY_KEY) },
});
const processor = new BatchLogRecordProcessor({
  exporter, maxQueueSize: 10_000, maxExportBatchSize: 200, exportTimeoutMillis: 600_000,
});
const provider = new LoggerProvider({ processors: [processor] });
const logger = provider.getLogger("shop.orders", "1.0");

for await (const line of createInterface({ input: process.stdin })) {
  const { event_name: eventName, ...attributes } = JSON.parse(line);
  // With an id of its own a record that is sent again is never taken for a second event.
  logger.emit({ eventName, attributes: { ...attributes, "log.record.uid": randomUUID() } });
}
await provider.shutdown();
