"""The chart as Kubernetes would see it: every mode and combination of values against the published schemas."""

from __future__ import annotations

import itertools
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest

from telemetry.config.model import ConfigModel
from telemetry.config.telemetry import TelemetryConfig
from tests.support.chart import (
    CHART,
    NEWEST,
    OLDEST,
    Chart,
    Document,
    containers,
    merged,
    of_kind,
    one,
    pods,
    required_values,
)

CRDS = json.loads((Path(__file__).parent / "monitoring-crds.json").read_text())
MODES = ("gateway", "daemonset", "sidecar")
_SECRETS = {
    "signing": {"existingSecret": "audit-signing"},
    "localKey": {"existingSecret": "audit-local-key"},
    "storage": {"existingSecret": "audit-storage", "former": ["secret-2025"]},
    "kafka": {"existingSecret": "audit-kafka"},
    "further": [{"existingSecret": "audit-azure", "folder": "azure"}],
}
_EXTRAS = {
    "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}},
    "dashboard": {"enabled": True},
    "verify": {"enabled": True, "trustConfigMap": "audit-trust", "kafkaSecret": "audit-reader"},
    "archive": {"enabled": True, "signing": {"existingSecret": "audit-archiver"}, "kafkaSecret": "audit-reader"},
    "config": {"archive_config": {"location": "s3://audit-archive/payments"}},
    "env": [{"name": "AWS_REGION", "value": "eu-west-1"}],
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"operator": "Exists"}],
    "imagePullSecrets": [{"name": "registry"}],
    "priorityClassName": "system-node-critical",
    "commonLabels": {"team": "audit"},
    "podAnnotations": {"example.com/owner": "audit"},
    "podLabels": {"example.com/tier": "platform"},
    "service": {"annotations": {"example.com/topology": "zone"}},
    "serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/audit"}},
    "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}}},
    "networkPolicy": {"egress": [{"ports": [9093], "to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}]},
    "spool": {"storageClassName": "fast"},
}
_BARE: dict[str, Any] = {
    "test": {"enabled": False},
    "networkPolicy": {"enabled": False},
    "podDisruptionBudget": {"enabled": False},
    "serviceAccount": {"create": False},
    "spool": {"prepareHostPath": False},
    "replicas": 1,
}
_PLAIN = {"gateway": {"tls": {"existingSecret": "", "plainHttp": True}}}


def _combinations() -> Iterator[tuple[str, Mapping[str, Any]]]:
    spools = {"persistent": {}, "memory": {"spool": {"kind": "memory"}}}
    ways = {"tls": {}, "plain": _PLAIN}
    sizes = {"bare": _BARE, "default": {}, "whole": {**_EXTRAS, "secrets": _SECRETS}}
    for spool, way, size in itertools.product(spools, ways, sizes):
        yield f"{spool}-{way}-{size}", merged(merged(sizes[size], spools[spool]), ways[way])


@pytest.fixture
def chart(helm: Path, tmp_path: Path) -> Chart:
    return Chart(helm, tmp_path)


@pytest.fixture
def whole(chart: Chart) -> list[Document]:
    return chart.render(required_values(**_EXTRAS, secrets=_SECRETS))


def _require_valid(document: Document, *, version: str) -> None:
    own = CRDS.get(document["kind"])
    if own is not None:
        jsonschema.validate(document, {**own, "definitions": CRDS["definitions"]})
        return
    kubernetes_validate.validate(document, version, strict=True)


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("mode", MODES)
def test_every_combination_fits_the_schemas(helm: Path, tmp_path: Path, mode: str, version: str) -> None:
    chart = Chart(helm, tmp_path, kubernetes=version)
    for name, values in _combinations():
        documents = chart.render(required_values(**values, mode=mode))
        assert documents, name
        for document in documents:
            _require_valid(document, version=version)


@pytest.mark.parametrize("mode", MODES)
def test_pods_are_restricted(chart: Chart, mode: str) -> None:
    documents = chart.render(required_values(**_EXTRAS, secrets=_SECRETS, mode=mode))
    seen = 0
    for _kind, pod in pods(documents):
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["securityContext"]["fsGroupChangePolicy"] == "OnRootMismatch"
        for container in containers(pod):
            seen += 1
            security = container["securityContext"]
            assert security["allowPrivilegeEscalation"] is False
            assert security["readOnlyRootFilesystem"] is True
            assert security["capabilities"]["drop"] == ["ALL"]
            assert container["resources"]["limits"]["memory"]
            if container["name"] != "spool-folder":
                assert security["runAsUser"] == 10_001
                assert "add" not in security["capabilities"]
    assert seen >= 2


def test_only_the_preparation_of_a_node_runs_as_root(chart: Chart) -> None:
    documents = chart.render(required_values(mode="daemonset"))
    pod = one(documents, "DaemonSet")["spec"]["template"]["spec"]
    (preparing,) = pod["initContainers"]
    assert preparing["securityContext"]["runAsUser"] == 0
    assert preparing["securityContext"]["capabilities"] == {"drop": ["ALL"], "add": ["CHOWN"]}

    documents = chart.render(required_values(mode="daemonset", spool={"prepareHostPath": False}))
    assert "initContainers" not in one(documents, "DaemonSet")["spec"]["template"]["spec"]


def test_the_agent_of_a_node_is_the_same_container(chart: Chart) -> None:
    gateway, agent = (
        one(chart.render(required_values(mode=mode)), kind)["spec"]["template"]["spec"]["containers"]
        for mode, kind in (("gateway", "StatefulSet"), ("daemonset", "DaemonSet"))
    )
    assert gateway == agent


def test_the_spool_outlives_its_pod(chart: Chart) -> None:
    gateway = one(chart.render(required_values()), "StatefulSet")["spec"]
    (claim,) = gateway["volumeClaimTemplates"]
    mounts = {
        mount["name"]: mount["mountPath"] for mount in gateway["template"]["spec"]["containers"][0]["volumeMounts"]
    }
    assert mounts[claim["metadata"]["name"]] == "/var/lib/telemetry"
    assert gateway["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}

    agent = one(chart.render(required_values(mode="daemonset")), "DaemonSet")["spec"]["template"]["spec"]
    (spool,) = [volume for volume in agent["volumes"] if volume["name"] == "audit-spool"]
    assert spool["hostPath"] == {"path": "/var/lib/telemetry-audit", "type": "DirectoryOrCreate"}


def test_a_folder_in_memory_where_a_pod_needs_one(chart: Chart) -> None:
    """Only there Kubernetes sets the sticky bit, without which the library refuses an open folder."""
    for mode in MODES:
        documents = chart.render(required_values(**merged(_EXTRAS, {"mode": mode, "spool": {"kind": "memory"}})))
        for _kind, pod in pods(documents):
            for volume in pod["volumes"]:
                if "emptyDir" in volume:
                    assert volume["emptyDir"]["medium"] == "Memory"
                    assert volume["emptyDir"]["sizeLimit"]


def test_files_of_a_config_map_are_mounted_alone(whole: list[Document]) -> None:
    """The folder of a ConfigMap is open to everyone, so the library would refuse what is in it."""
    for _kind, pod in pods(whole):
        folders = {volume["name"] for volume in pod["volumes"] if "configMap" in volume}
        mounts = [mount for container in containers(pod) for mount in container["volumeMounts"]]
        assert all("subPath" in mount for mount in mounts if mount["name"] in folders)


def test_secrets_are_files_that_others_cannot_read(whole: list[Document]) -> None:
    found = set()
    for _kind, pod in pods(whole):
        for volume in pod["volumes"]:
            if "secret" in volume:
                assert volume["secret"]["defaultMode"] == 0o440
                found.add(volume["secret"]["secretName"])
        for container in containers(pod):
            assert all("valueFrom" not in variable for variable in container.get("env", []))
    names = {
        "audit-azure",
        "audit-signing",
        "audit-local-key",
        "audit-storage",
        "audit-kafka",
        "audit-reader",
        "audit-archiver",
        "audit-tls",
    }
    assert found == names | {"audit-client-ca", "audit-identities"}


@pytest.mark.parametrize("mode", ["gateway", "daemonset"])
def test_probes_and_time_to_end(chart: Chart, mode: str) -> None:
    documents = chart.render(required_values(mode=mode))
    (pod,) = [pod for kind, pod in pods(documents) if kind != "Pod"]
    (container,) = pod["containers"]
    paths = {name: container[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert {name: probe["path"] for name, probe in paths.items()} == {
        "startupProbe": "/healthz",
        "livenessProbe": "/healthz",
        "readinessProbe": "/readyz",
    }
    assert {probe["port"] for probe in paths.values()} == {"admin"}
    assert pod["terminationGracePeriodSeconds"] > 5 + 10 + 30
    assert container["args"][-2:] == ["--timeout", "30"]


def test_monitors_select_their_service(whole: list[Document]) -> None:
    monitor = one(whole, "ServiceMonitor")["spec"]
    wanted = monitor["selector"]["matchLabels"].items()
    (service,) = [service for service in of_kind(whole, "Service") if wanted <= service["metadata"]["labels"].items()]
    (port,) = service["spec"]["ports"]
    assert monitor["endpoints"][0]["port"] == port["name"]


def test_every_selector_selects_the_pods(whole: list[Document]) -> None:
    labels = one(whole, "StatefulSet")["spec"]["template"]["metadata"]["labels"].items()
    selectors = [service["spec"]["selector"] for service in of_kind(whole, "Service")]
    selectors.append(one(whole, "StatefulSet")["spec"]["selector"]["matchLabels"])
    selectors.append(one(whole, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"])
    (policy, _archive, _jobs) = of_kind(whole, "NetworkPolicy")
    selectors.append(policy["spec"]["podSelector"]["matchLabels"])
    assert len(selectors) == 5
    assert all(selector.items() <= labels for selector in selectors)


def test_a_changed_configuration_restarts_the_pods(chart: Chart) -> None:
    def checksum(**config: Any) -> str:
        values = required_values(config={"audit_config": config})
        pod = one(chart.render(values), "StatefulSet")["spec"]["template"]
        found: str = pod["metadata"]["annotations"]["checksum/configuration"]
        return found

    assert checksum() == checksum()
    assert checksum() != checksum(kafka_topic="other")


def test_image_is_pinned_by_digest(chart: Chart) -> None:
    digest = "sha256:" + "0123456789abcdef" * 4
    documents = chart.render(required_values(image={"tag": "0.1.0", "digest": digest}))
    images = {container["image"] for _kind, pod in pods(documents) for container in containers(pod)}
    assert images == {f"registry.example.com/telemetry-audit@{digest}"}


def _secret_fields(model: type[ConfigModel]) -> set[str]:
    own = {name for name, field in model.model_fields.items() if "SecretStr" in str(field.annotation)}
    kinds = [kind for kind in model.__subclasses__() if kind.__module__.startswith("telemetry.")]
    return own.union(*map(_secret_fields, kinds))


def test_every_secret_of_the_configuration_is_known() -> None:
    checks = (CHART / "templates/_checks.tpl").read_text()
    # The configuration is loaded, and every class of it with it.
    assert issubclass(TelemetryConfig, ConfigModel)
    (listed,) = re.findall(r'secretFields" -}}\n(.*)\n', checks)
    assert set(listed.split()) == _secret_fields(ConfigModel)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "https://audit-telemetry-audit.audit.svc:4318/v1/events"),
        ({}, "WARNING: nothing signs checkpoints"),
        ({}, "helm test audit --namespace audit"),
        (_PLAIN, "http://audit-telemetry-audit.audit.svc:4318/v1/events"),
        ({"spool": {"kind": "memory"}}, "WARNING: the spool is in memory"),
        ({"mode": "sidecar"}, "Nothing runs yet"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_notes_after_the_installation(helm: Path, tmp_path: Path, values: dict[str, Any], said: str) -> None:
    copy = tmp_path / "chart"
    shutil.copytree(CHART, copy)
    notes = (copy / "templates/NOTES.txt").read_text()
    # Helm shows notes only where it installs.
    shown = '{{ define "shown" }}' + notes + '{{ end }}\nkind: Notes\ntext: {{ include "shown" . | toJson }}\n'
    (copy / "templates/shown.yaml").write_text(shown)
    documents = Chart(helm, tmp_path, chart=copy).render(required_values(**values))
    assert said in one(documents, "Notes")["text"]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"image": {"repository": ""}}, "image.repository is empty"),
        ({"config": {"audit_config": {"kafka_brokers": ""}}}, "kafka_brokers is empty"),
        ({"config": {"audit_config": {"encryption_config": None}}}, "there is no key"),
        ({"gateway": {"tls": {"existingSecret": ""}}}, "gateway.tls.existingSecret is empty"),
        (
            {"config": {"audit_config": {"kafka_config": {"password": "x"}}}},
            "config.audit_config.kafka_config.password",
        ),
        ({"config": {"audit_config": {"storage_secret": "x"}}}, "becomes a ConfigMap"),
        ({"config": {"audit_config": {"recipients": [{"passphrase": "x"}]}}}, "audit_config.recipients.passphrase"),
        ({"gateway": {"identities": {"existingSecret": ""}}}, "nobody could call"),
        ({"gateway": {"clientCertificates": {"existingSecret": ""}}}, "the callers' authorities"),
        ({**_PLAIN, "service": {"type": "LoadBalancer"}}, "would be readable on the way"),
        ({"terminationGracePeriodSeconds": 45}, "must be more than 45"),
        ({"config": {"gateway_config": {"shutdown_seconds": 30}}}, "must be more than 65"),
        ({"verify": {"enabled": True}}, "verify.trustConfigMap is empty"),
        ({"archive": {"enabled": True}}, "config.archive_config names no place"),
        (
            {"archive": {"enabled": True}, "config": {"archive_config": {"location": "s3://audit-archive"}}},
            "archive.signing.existingSecret is empty",
        ),
        (
            {"config": {"archive_config": {"storage_config": {"aws_secret_access_key": "x"}}}},
            "archive_config.storage_config.aws_secret_access_key",
        ),
        ({"secrets": {"kafka": {"existingSecret": "kafka", "username": "audit"}}}, "secrets.kafka.password is empty"),
        ({"gateway": {"tsl": {}}}, "'tsl' not allowed"),
        ({"mode": "sidecars"}, "/mode"),
        ({"image": {"digest": "sha256:1"}}, "/image/digest"),
        ({"podSecurityContext": {"runAsUser": 0}}, "/podSecurityContext/runAsUser"),
        ({"podSecurityContext": {"runAsNonRoot": False}}, "/podSecurityContext/runAsNonRoot"),
        ({"spool": {"hostPath": "/"}}, "/spool/hostPath"),
        ({"sidecar": {"listen": "http://0.0.0.0:4318"}}, "/sidecar/listen"),
        ({"replicas": 0}, "/replicas"),
        ({"secrets": {"further": [{"existingSecret": "x", "folder": "tls"}]}}, "/secrets/further/0/folder"),
        ({"secrets": {"further": [{"existingSecret": "x", "folder": "../tls"}]}}, "/secrets/further/0/folder"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_refused_before_it_is_installed(chart: Chart, values: dict[str, Any], reason: str) -> None:
    assert reason in chart.refusal(required_values(**values))
