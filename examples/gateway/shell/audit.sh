#!/usr/bin/env bash
# Sends audit events to the gateway: one JSON object a line on standard input, in batches, until each is durable.
#
#   GATEWAY=https://gateway.example:4318 ./audit.sh < events.jsonl
#
# The exit code is 0 if all are durable, 1 if the gateway refused some for good, 75 if it was away for too long.
set -euo pipefail

BATCH_SIZE=100
GIVE_UP_SECONDS=600
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

post() {
  curl --silent --show-error --max-time 60 --tlsv1.2 \
    --cacert "$GATEWAY_CA" --cert "$GATEWAY_CERTIFICATE" --key "$GATEWAY_KEY" \
    --header "Content-Type: application/json" --header "Idempotency-Key: $1" --header "Prefer: wait=durable" \
    --data-binary @"$folder/body" --dump-header "$folder/header" --output "$folder/answer" \
    --write-out '%{http_code}' "$GATEWAY/v1/events" || true
}

# Every attempt has the same key, so that events which an earlier one has logged already are shown once.
deliver() {
  local key pause=1 after status end=$((SECONDS + GIVE_UP_SECONDS))
  key=$(cat /proc/sys/kernel/random/uuid 2>/dev/null || uuidgen)
  (IFS=,; printf '[%s]' "$*") > "$folder/body"
  while ((SECONDS < end)); do
    : > "$folder/header"
    status=$(post "$key")
    case $status in
      202) grep -q '"level":"accepted"' "$folder/answer" || return 0 ;;
      207) grep -qE '"status":(429|5[0-9]{2})|"level":"accepted"' "$folder/answer" || { cat "$folder/answer" >&2; return 1; } ;;
      429 | 5??) ;;
      4??) cat "$folder/answer" >&2; return 1 ;;
    esac
    after=$(tr -d '\r' < "$folder/header" | awk 'tolower($1) == "retry-after:" && $2 ~ /^[0-9]+$/ {print $2}' | tail -n 1)
    ((${after:-0} > pause)) && pause=$after
    sleep "$((pause + RANDOM % (pause + 1)))"
    ((pause = pause < 15 ? 2 * pause : 30))
  done
  echo "$# events were not taken in $GIVE_UP_SECONDS seconds" >&2
  exit 75
}

refused=0
while mapfile -t -n "$BATCH_SIZE" lines && ((${#lines[@]})); do
  deliver "${lines[@]}" || refused=1
done < <(grep -v '^[[:space:]]*$')
exit "$refused"
