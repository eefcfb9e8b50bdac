"""Runs Runs Azurite, the emulator of Azure Blob Storage, on 127.0.0.1."""

from __future__ import annotations

import http.client
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.services import fetch
from tests.services.ports import free_ports
from tests.services.process import ServiceProcess

# The account that Azurite documents for everybody's use; it exists in no cloud.
ACCOUNT_NAME = "devstoreaccount1"
ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
_START_SECONDS = 180.0


@dataclass(frozen=True)
class BlobService:
    """The address and account with which a client reaches the emulator.

    Attributes:
        account_name: Storage account.
        account_key: Its shared key.
        endpoint: ``http://127.0.0.1:port/account``.
    """

    account_name: str
    account_key: str
    endpoint: str


class Azurite:
    """One emulator with its own folder, port and process.

    Args:
        folder: A folder of its own.

    Raises:
        ServiceUnavailableError: Node or npm is missing, or the packages cannot be fetched.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._port = free_ports(1)[0]
        command = [fetch.program("node"), str(fetch.azurite_program())]
        command += ["--blobHost", "127.0.0.1", "--blobPort", str(self._port), "--location", str(folder / "data")]
        command += ["--silent", "--skipApiVersionCheck", "--disableTelemetry"]
        self.process = ServiceProcess(command, log=folder / "azurite.log", folder=folder)
        endpoint = f"http://127.0.0.1:{self._port}/{ACCOUNT_NAME}"
        self.service = BlobService(account_name=ACCOUNT_NAME, account_key=ACCOUNT_KEY, endpoint=endpoint)

    def __enter__(self) -> Self:
        self.process.start()
        self.process.wait_until(self._answers, timeout=_START_SECONDS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.stop()

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=5.0)
        try:
            connection.request("GET", f"/{ACCOUNT_NAME}")
            connection.getresponse().read()
        except OSError:
            return False
        finally:
            connection.close()
        return True
