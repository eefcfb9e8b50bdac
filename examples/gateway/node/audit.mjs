// Sends audit events to the gateway: one JSON object a line on standard input, in batches, until each is durable.
//
//   GATEWAY=https://gateway.example:4318 node audit.mjs < events.jsonl
//
// The exit code is 0 if all are durable, 1 if the gateway refused some for good, 75 if it was away for too long.
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { Agent, request } from "node:https";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

const BATCH_SIZE = 100;
const GIVE_UP_MS = 10 * 60_000;
const { GATEWAY, GATEWAY_CA, GATEWAY_CERTIFICATE, GATEWAY_KEY } = process.env;
const agent = new Agent({
  ca: readFileSync(GATEWAY_CA), cert: readFileSync(GATEWAY_CERTIFICATE), key: readFileSync(GATEWAY_KEY),
  minVersion: "TLSv1.2", keepAlive: true,
});

const post = (body, key) => new Promise((resolve, reject) => {
  const headers = {
    "Content-Type": "application/json", "Content-Length": Buffer.byteLength(body),
    "Idempotency-Key": key, Prefer: "wait=durable",
  };
  const sent = request(`${GATEWAY}/v1/events`, { method: "POST", agent, headers, timeout: 60_000 }, (response) => {
    const chunks = [];
    response.on("data", (chunk) => chunks.push(chunk));
    response.on("error", reject);
    response.on("end", () => resolve({
      status: response.statusCode, wait: Number(response.headers["retry-after"]) || 0, text: Buffer.concat(chunks).toString(),
    }));
  });
  sent.on("timeout", () => sent.destroy(new Error("no answer for a minute")));
  sent.on("error", reject).end(body);
});

const comesLater = (status) => status === 429 || status >= 500;

// Returns how many events were refused for good, or null if the batch is to be sent again.
function judge({ status, text }, size) {
  if (comesLater(status)) return null;
  if (status >= 400) return console.error(`${size} events were refused: ${text}`), size;
  const { events } = JSON.parse(text);
  if (events.length !== size || events.some((event) => comesLater(event.status) || event.level === "accepted")) return null;
  const refused = events.filter((event) => event.status >= 400);
  for (const event of refused) console.error(`an event was refused: ${event.reason}`);
  return refused.length;
}

// Every attempt has the same key, so that events which an earlier one has logged already are shown once.
async function deliver(batch) {
  const body = `[${batch.join()}]`, key = randomUUID(), end = Date.now() + GIVE_UP_MS;
  for (let pause = 1; Date.now() < end; pause = Math.min(2 * pause, 30)) {
    let wait = 0;
    try {
      const answer = await post(body, key);
      const refused = judge(answer, batch.length);
      if (refused !== null) return refused;
      wait = answer.wait;
    } catch (error) {
      console.error(`the gateway cannot be reached: ${error.message}`);
    }
    await sleep(Math.max(pause, wait) * (1 + Math.random() / 2) * 1000);
  }
  console.error(`${batch.length} events were not taken in ${GIVE_UP_MS / 60_000} minutes`);
  process.exit(75);
}

let batch = [], refused = 0;
for await (const line of createInterface({ input: process.stdin })) {
  if (line.trim()) batch.push(line);
  if (batch.length === BATCH_SIZE) refused += await deliver(batch.splice(0));
}
if (batch.length) refused += await deliver(batch);
process.exitCode = refused ? 1 : 0;
agent.destroy();
