"""Runs a second broker beside one of the harness, so that leaders can move."""

from __future__ import annotations

import re
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.services.kafka import LISTENERS, KafkaBroker, kafka_java
from tests.services.ports import free_ports
from tests.services.process import ServiceProcess
from tests.support.java import run_class

_START_SECONDS = 180.0


class SecondBroker:
    """Joins the cluster of a broker; has the same listeners on ports of its own.

    Args:
        first: The running broker that is the controller too.
        folder: A folder of its own.
    """

    def __init__(self, first: KafkaBroker, folder: Path) -> None:
        self._first = first
        folder.mkdir(parents=True, exist_ok=True)
        self._properties = folder / "server.properties"
        self._properties.write_text(self._settings(folder))
        self._format()
        command = [*kafka_java(), "kafka.Kafka", str(self._properties)]
        self.process = ServiceProcess(command, log=folder / "broker.log", folder=folder)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.stop()

    def start(self) -> None:
        """Start and wait until the cluster counts two brokers."""
        self.process.start()
        admin = self._first.admin()
        self.process.wait_until(lambda: len(admin.list_topics(timeout=30.0).brokers) == 2, timeout=_START_SECONDS)

    def _settings(self, folder: Path) -> str:
        text = (self._first.folder / "server.properties").read_text()
        ports = dict(zip(LISTENERS, free_ports(len(LISTENERS)), strict=True))
        listeners = ",".join(f"{name}://127.0.0.1:{port}" for name, port in ports.items())
        changes = {
            "process.roles": "broker",
            "node.id": "2",
            "listeners": listeners,
            "advertised.listeners": listeners,
            "log.dirs": str(folder / "data"),
        }
        for name, value in changes.items():
            text = re.sub(rf"(?m)^{re.escape(name)}=.*$", f"{name}={value}", text)
        return text

    def _format(self) -> None:
        identity = (self._first.folder / "data" / "meta.properties").read_text()
        found = re.search(r"(?m)^cluster\.id=(.+)$", identity)
        assert found is not None
        run_class("kafka.tools.StorageTool", ["format", "-t", found[1], "-c", str(self._properties)])
