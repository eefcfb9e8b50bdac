"""Renders the Helm chart, and finds what a test asks about in the documents."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.services.deploy_tools import run_tool

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy" / "helm" / "telemetry-audit"

NEWEST = "1.37.0"
OLDEST = "1.29.0"
"""Kubernetes, as the chart's own ``kubeVersion`` says."""

Document = dict[str, Any]


def required_values(**more: Any) -> dict[str, Any]:
    """Return the smallest values that the chart accepts, with others over them."""
    values: dict[str, Any] = {
        "image": {"repository": "registry.example.com/telemetry-audit"},
        "config": {
            "audit_config": {
                "kafka_brokers": "kafka-1.example.com:9093",
                "encryption_config": {"provider": "aws_kms", "kms_key_id": "alias/audit", "aws_region": "eu-west-1"},
            }
        },
        "gateway": {
            "tls": {"existingSecret": "audit-tls"},
            "identities": {"existingSecret": "audit-identities"},
            "clientCertificates": {"existingSecret": "audit-client-ca"},
        },
    }
    return merged(values, more)


def merged(below: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return two trees of values as one, as Helm merges them."""
    result = dict(below)
    for name, value in over.items():
        known = result.get(name)
        result[name] = merged(known, value) if isinstance(known, Mapping) and isinstance(value, Mapping) else value
    return result


class Chart:
    """The chart, or another one that depends on it.

    Args:
        helm: The program.
        folder: Scratch folder.
        chart: Folder of the chart.
        kubernetes: Version to render for.
    """

    def __init__(self, helm: Path, folder: Path, *, chart: Path = CHART, kubernetes: str = NEWEST) -> None:
        self._helm = helm
        self._folder = folder
        self._chart = chart
        self._kubernetes = kubernetes

    def run(self, values: Mapping[str, Any], *options: str) -> subprocess.CompletedProcess[str]:
        """Return how ``helm template`` ended."""
        file = self._folder / "values.yaml"
        file.write_text(yaml.safe_dump(dict(values)))
        command = [str(self._helm), "template", "audit", str(self._chart), "--namespace", "audit"]
        return run_tool(
            [*command, "--kube-version", self._kubernetes, "--values", str(file), *options], folder=self._folder
        )

    def render(self, values: Mapping[str, Any]) -> list[Document]:
        """Return the documents."""
        done = self.run(values)
        assert done.returncode == 0, done.stderr
        return [document for document in yaml.safe_load_all(done.stdout) if document]

    def refusal(self, values: Mapping[str, Any]) -> str:
        """Return why values are refused."""
        done = self.run(values)
        assert done.returncode != 0, "they were accepted"
        return done.stderr


def of_kind(documents: list[Document], kind: str) -> list[Document]:
    """Return the documents of one kind."""
    return [document for document in documents if document["kind"] == kind]


def one(documents: list[Document], kind: str) -> Document:
    """Return the only document of a kind."""
    (found,) = of_kind(documents, kind)
    return found


def pods(documents: list[Document]) -> Iterator[tuple[str, Document]]:
    """Yield the kind of each document that starts pods, and the specification of its pods."""
    for document in documents:
        spec = document.get("spec", {})
        if document["kind"] == "Pod":
            yield "Pod", spec
        elif document["kind"] == "CronJob":
            yield "CronJob", spec["jobTemplate"]["spec"]["template"]["spec"]
        elif "template" in spec:
            yield document["kind"], spec["template"]["spec"]


def containers(pod: Document) -> list[Document]:
    """Return all containers of a pod, those that prepare it too."""
    return [*pod.get("initContainers", []), *pod["containers"]]
