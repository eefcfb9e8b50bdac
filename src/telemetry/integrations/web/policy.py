"""Bundles what decides about each request of an application with what logs it."""

from __future__ import annotations

from dataclasses import dataclass

from telemetry.integrations.recorder import Recorder
from telemetry.integrations.web.rules import RequestRules
from telemetry.integrations.web.sampling import Sampling
from telemetry.integrations.web.settings import WebSettings


@dataclass(frozen=True, slots=True)
class RequestPolicy:
    """What the audits of all requests share.

    Args:
        settings: What is recorded.
        rules: Which requests are.
        sampling: Which share of the successful ones is.
        recorder: What logs.
    """

    settings: WebSettings
    rules: RequestRules
    sampling: Sampling
    recorder: Recorder
