"""Logs one event through the gateway of the trial, with the certificate of the service "payments".

Usage: log_event.py FOLDER [URL]
"""

from __future__ import annotations

import json
import ssl
import sys
import urllib.request
from pathlib import Path


def main() -> None:
    """Log an event, and print what the gateway says has become of it."""
    folder = Path(sys.argv[1])
    url = sys.argv[2] if len(sys.argv) > 2 else "https://gateway:4318"
    context = ssl.create_default_context(cafile=folder / "ca.crt")
    context.load_cert_chain(folder / "payments.crt", folder / "payments.key")
    event = {"event_type": "user_login", "user_id": "ada", "payload": {"method": "passkey"}}
    request = urllib.request.Request(  # noqa: S310 - an https URL
        f"{url}/v1/events",
        data=json.dumps(event).encode(),
        headers={"Content-Type": "application/json", "Prefer": "wait=delivered"},
    )
    with urllib.request.urlopen(request, context=context, timeout=60) as answer:  # noqa: S310 - an https URL
        print(answer.status, answer.read().decode())


if __name__ == "__main__":
    main()
