"""What the chart renders, started: the configuration it writes, and its containers with the volumes that Kubernetes gives them."""

from __future__ import annotations

import copy
import os
import secrets
import ssl
import stat
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from telemetry.config import TelemetryConfig
from tests.services.broker_rights import new_topic
from tests.services.kafka import KafkaBroker
from tests.services.ports import free_ports
from tests.services.required import unavailable
from tests.support.chart import Chart, Document, of_kind, pods, required_values
from tests.support.pod import Files, PodSite, pod_site
from tests.support.until import until

_SECONDS = 120.0
_SECRETS = {
    "signing": {"existingSecret": "audit-signing"},
    "localKey": {"existingSecret": "audit-local-key"},
    "storage": {"existingSecret": "audit-storage"},
    "kafka": {"existingSecret": "audit-kafka"},
}


@pytest.fixture
def chart(helm: Path, tmp_path: Path) -> Chart:
    return Chart(helm, tmp_path)


def _objects(prepared: Path, documents: list[Document], kafka: KafkaBroker) -> dict[str, Files]:
    def files(**names: str) -> Files:
        return {name.replace("_", "."): (prepared / file).read_bytes() for name, file in names.items()}

    configuration = of_kind(documents, "ConfigMap")[0]
    own = kafka.certificates.clients["payments"]
    kafka_files = {"ca.crt": kafka.certificates.ca, "tls.crt": own.certificate, "tls.key": own.key}
    return {
        "audit-kafka": {name: file.read_bytes() for name, file in kafka_files.items()},
        configuration["metadata"]["name"]: {name: text.encode() for name, text in configuration["data"].items()},
        "audit-signing": files(signing_key="signing.key", passphrase="passphrase"),
        "audit-local-key": files(audit_key="audit.key", passphrase="passphrase"),
        "audit-storage": {"storage-secret": secrets.token_hex(32).encode()},
        "audit-tls": files(tls_crt="gateway.crt", tls_key="gateway.key"),
        "audit-client-ca": files(ca_crt="ca.crt"),
        "audit-identities": files(identities_toml="identities.toml"),
        "audit-trust": files(trust_toml="trust.toml"),
    }


def _values(kafka: KafkaBroker, topic: str) -> dict[str, Any]:
    audit = {"kafka_brokers": kafka.bootstrap("SSL"), "kafka_topic": topic, "encryption_config": None}
    verify = {"enabled": True, "trustConfigMap": "audit-trust", "live": 0}
    return required_values(config={"audit_config": audit}, secrets=_SECRETS, verify=verify)


class Gateway:
    """The gateway's container, running.

    Args:
        site: Its volumes.
        pod: Its specification.
        prepared: Certificates of a caller.
        folder: Scratch folder.
        ports: Where the container before it listened; it has the same configuration.

    Attributes:
        ports: Of events, and of health.
    """

    def __init__(
        self, site: PodSite, pod: Document, prepared: Path, folder: Path, *, ports: Sequence[int] | None = None
    ) -> None:
        self.ports = ports or free_ports(2)
        port, admin = self.ports
        changes = {"0.0.0.0:4318": f"127.0.0.1:{port}", "0.0.0.0:9464": f"127.0.0.1:{admin}"}
        self._output = folder / "gateway.txt"
        self.process = site.start(pod, container="telemetry-audit", changes=changes, output=self._output)
        self._url, self._admin = f"https://localhost:{port}", f"http://127.0.0.1:{admin}"
        self._tls = ssl.create_default_context(cafile=prepared / "ca.crt")
        self._tls.load_cert_chain(prepared / "payments.crt", prepared / "payments.key")

    def said(self) -> str:
        return self._output.read_text()

    def status(self, path: str) -> int:
        """Return how a probe of the kubelet ends."""
        assert self.process.poll() is None, self.said()
        try:
            return httpx.get(f"{self._admin}{path}", timeout=30).status_code
        except httpx.TransportError:
            return 0

    def log(self, level: str = "delivered") -> httpx.Response:
        event = {"event_type": "user_login", "user_id": "ada", "payload": {}}
        with httpx.Client(verify=self._tls, timeout=60) as client:
            return client.post(f"{self._url}/v1/events", json=event, headers={"Prefer": f"wait={level}"})

    def end(self) -> int:
        self.process.terminate()
        return self.process.wait(_SECONDS)


@pytest.fixture
def documents(chart: Chart, kafka: KafkaBroker, topic: str) -> list[Document]:
    return chart.render(_values(kafka, topic))


@pytest.fixture
def site(prepared: Path, documents: list[Document], kafka: KafkaBroker) -> Iterator[PodSite]:
    with pod_site(_objects(prepared, documents, kafka)) as found:
        yield found


def _pod(documents: list[Document], kind: str) -> Document:
    (found,) = [pod for each, pod in pods(documents) if each == kind]
    return found


def _finished(site: PodSite, pod: Document, container: str, output: Path) -> tuple[int, str]:
    process = site.start(pod, container=container, changes={}, output=output)
    try:
        code = process.wait(_SECONDS)
    finally:
        process.kill()
        process.wait()
    return code, output.read_text()


def test_gateway_runs_in_its_pod(site: PodSite, documents: list[Document], prepared: Path, tmp_path: Path) -> None:
    gateway = Gateway(site, _pod(documents, "StatefulSet"), prepared, tmp_path)
    try:
        until(lambda: gateway.status("/healthz") == 200, what="liveness", state=gateway.said, timeout=_SECONDS)
        until(lambda: gateway.status("/readyz") == 200, what="readiness", state=gateway.said, timeout=_SECONDS)
        answer = gateway.log()
        assert (answer.status_code, answer.json()["events"][0]["level"]) == (202, "delivered")

        site.replace("audit-identities", {"identities.toml": b'[[identity]]\nservice = "orders"\n'})
        until(lambda: gateway.log().status_code == 403, what="the new identities", state=gateway.said, timeout=_SECONDS)
        assert gateway.end() == 0, gateway.said()
    finally:
        gateway.process.kill()
        gateway.process.wait()
    assert "Traceback" not in gateway.said()

    code, said = _finished(site, _pod(documents, "CronJob"), "verify", tmp_path / "verify.txt")
    assert code == 0, said


def test_killed_while_kafka_hangs(
    own_kafka: Callable[..., KafkaBroker], chart: Chart, prepared: Path, tmp_path: Path
) -> None:
    """What was answered durable is on the topic once the next container works on the same volume."""
    kafka = own_kafka()
    documents = chart.render(_values(kafka, new_topic(kafka)))
    pod = _pod(documents, "StatefulSet")
    with pod_site(_objects(prepared, documents, kafka)) as site:
        first = Gateway(site, pod, prepared, tmp_path)
        try:
            until(lambda: first.status("/readyz") == 200, what="readiness", state=first.said, timeout=_SECONDS)
            kafka.freeze()
            (event,) = first.log("durable").json()["events"]
            assert event["level"] == "durable"
        finally:
            first.process.kill()
            first.process.wait()
            kafka.thaw()
        second = Gateway(site, pod, prepared, tmp_path, ports=first.ports)
        try:
            until(lambda: second.status("/readyz") == 200, what="readiness", state=second.said, timeout=_SECONDS)
            assert second.end() == 0, second.said()
        finally:
            second.process.kill()
            second.process.wait()

        reading = copy.deepcopy(_pod(documents, "Pod"))
        reading["containers"][0]["args"] = ["tail", "-c", "/etc/telemetry/telemetry.toml", "--json"]
        code, said = _finished(site, reading, "doctor", tmp_path / "tail.txt")
        assert code == 0, said
        assert event["id"] in said
        code, said = _finished(site, _pod(documents, "CronJob"), "verify", tmp_path / "verify.txt")
        assert code == 0, said


def test_doctor_of_helm_test(site: PodSite, documents: list[Document], tmp_path: Path) -> None:
    code, said = _finished(site, _pod(documents, "Pod"), "doctor", tmp_path / "doctor.txt")
    assert code == 0, said


def test_what_others_could_write_is_refused(site: PodSite, documents: list[Document], tmp_path: Path) -> None:
    """The other way to mount a ConfigMap: whole, so that its folder is open to everyone."""
    pod = copy.deepcopy(_pod(documents, "Pod"))
    (mount,) = [each for each in pod["containers"][0]["volumeMounts"] if each["name"] == "audit-configuration"]
    del mount["subPath"]
    mount["mountPath"] = "/etc/telemetry/open"
    pod["containers"][0]["args"] = ["doctor", "-c", "/etc/telemetry/open/telemetry.toml"]
    code, said = _finished(site, pod, "doctor", tmp_path / "doctor.txt")
    assert code == 2
    assert "/etc/telemetry/open is a folder that others may write to" in said


def test_the_root_of_the_container_is_read_only(site: PodSite, documents: list[Document], tmp_path: Path) -> None:
    pod = copy.deepcopy(_pod(documents, "Pod"))
    container = pod["containers"][0]
    container["volumeMounts"] = [each for each in container["volumeMounts"] if each["name"] != "audit-spool"]
    _code, said = _finished(site, pod, "doctor", tmp_path / "doctor.txt")
    assert "failed  spool" in said


@pytest.mark.parametrize("mode", ["gateway", "daemonset", "sidecar"])
def test_the_configuration_loads(chart: Chart, prepared: Path, tmp_path: Path, mode: str) -> None:
    kafka_secret = {"existingSecret": "audit-kafka"}
    documents = chart.render(
        required_values(
            mode=mode,
            secrets={**_SECRETS, "kafka": kafka_secret},
            config={
                "audit_config": {
                    "encryption_config": None,
                    "queue_max_events": 20_000,
                    "data_key_max_age_seconds": 900.5,
                    "clear_fields": ["outcome"],
                }
            },
        )
    )
    (found,) = of_kind(documents, "ConfigMap")[:1]
    (tmp_path / "storage-secret").write_text(secrets.token_hex(32))
    text = found["data"]["telemetry.toml"]
    for place, file in (
        ("signing/passphrase", prepared / "passphrase"),
        ("local-key/passphrase", prepared / "passphrase"),
        ("storage/storage-secret", tmp_path / "storage-secret"),
    ):
        text = text.replace(f"/run/secrets/telemetry/{place}", str(file))

    config = TelemetryConfig(**tomllib.loads(text))

    audit, gateway = config.audit_config, config.gateway_config
    assert (audit.queue_max_events, audit.data_key_max_age_seconds, audit.clear_fields) == (20_000, 900.5, ("outcome",))
    assert audit.shared_streams is not None
    assert audit.kafka_config is not None
    assert audit.kafka_config.ssl_key_location == Path("/run/secrets/telemetry/kafka/tls.key")
    assert audit.spool_path == Path("/var/lib/telemetry/spool")
    assert gateway is not None
    assert gateway.listen == (("http://127.0.0.1:4318",) if mode == "sidecar" else ("https://0.0.0.0:4318",))


def test_the_configuration_says_what_the_values_say(chart: Chart) -> None:
    odd: dict[str, Any] = {
        "kafka_options": {"linger.ms": "5", "client.rack": 'a"b\\c', 'quo"ted': "x"},
        "scrub_keys": ["p\u00e4ss", "tab\there", "line\nend", "{{ .Values }}", "# no comment"],
        "previous_keys": [{"provider": "aws_kms", "kms_key_id": "alias/old"}, {"provider": "gcp_kms", "key_ring": "a"}],
        "encryption_config": {"provider": "aws_kms", "timeout_ms": 5_000, "previous_keys": []},
        "data_key_max_bytes": 1 << 40,
        "data_key_grace_seconds": 0.125,
        "scrub": True,
        "signing_config": {"every_events": 10},
    }
    documents = chart.render(required_values(config={"audit_config": odd, "version": "[1.0]"}))
    found = tomllib.loads(of_kind(documents, "ConfigMap")[0]["data"]["telemetry.toml"])

    assert found["version"] == "[1.0]"
    assert {name: found["audit_config"][name] for name in odd} == {
        **odd,
        "encryption_config": {**odd["encryption_config"], "kms_key_id": "alias/audit", "aws_region": "eu-west-1"},
    }


def test_the_folder_of_a_node_is_prepared(chart: Chart, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        unavailable("only root can give a folder to another user")
    (preparing,) = _pod(chart.render(required_values(mode="daemonset")), "DaemonSet")["initContainers"]
    program, *words = [word.replace("/node", str(tmp_path)) for word in preparing["command"]]
    assert program == "python"
    for _again in range(2):
        subprocess.run([sys.executable, *words], check=True, timeout=_SECONDS)
        status = (tmp_path / "spool").stat()
        assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (10_001, 10_001, 0o700)


def test_variables_of_a_service_would_be_no_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """Why the chart switches service links off: a Service named telemetry-audit makes such variables in every pod."""
    monkeypatch.setenv("TELEMETRY_AUDIT_PORT", "tcp://10.0.0.1:4318")
    config = TelemetryConfig.load(service_name="shop", audit_config={"kafka_brokers": "memory:"}, environment="test")
    assert config.audit_config.kafka_brokers == "memory:"
