"""Logs for a service, forks, and logs for it in parent and child: prints producer and sequence of each event."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.support.gateway_site import GatewaySite


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(brokers: str, folder: Path) -> None:
    site = GatewaySite(brokers, folder)
    with site.running(spool_path=folder / "spool") as telemetry:
        audit = telemetry.audit.on_behalf_of("payments")
        first = audit.log("before", {}, "ada", wait_for="delivered")
        child = os.fork()
        name = "parent" if child else "child"
        receipt = audit.log(name, {}, "ada", wait_for="delivered")
        _say(f"{name} {receipt.producer == first.producer} {receipt.sequence}")
        if not child:
            telemetry.shutdown(60)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        _say(f"ended {os.waitstatus_to_exitcode(status)}")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
