"""The chart of a service that includes the sidecar, as the page shows it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import httpx
import kubernetes_validate
import pytest
import yaml

from telemetry.gateway.identities.token import new_token
from telemetry.testing import EmbeddedKafka
from tests.services.ports import free_ports
from tests.support.chart import CHART, NEWEST, OLDEST, ROOT, Chart, Document, of_kind, one, required_values
from tests.support.gateway.credentials import identity, token_entry
from tests.support.pod import pod_site
from tests.support.until import until

PAGE = (ROOT / "docs/kubernetes.md").read_text("utf-8")
_PARENT = """\
apiVersion: v2
name: payments
version: 1.0.0
dependencies:
  - {name: telemetry-audit, version: "*"}
"""


def _block(first: str) -> str:
    found: str
    (found,) = [block for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if block.startswith(first)]
    return found


def _parent(folder: Path) -> Path:
    chart = folder / "payments"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text(_PARENT)
    (chart / "templates/deployment.yaml").write_text(_block("# templates/deployment.yaml"))
    shutil.copytree(CHART, chart / "charts/telemetry-audit")
    return chart


def _rendered(helm: Path, folder: Path, **values: Any) -> list[Document]:
    sidecar = required_values(mode="sidecar", serviceMonitor={"enabled": True}, **values)
    return Chart(helm, folder, chart=_parent(folder)).render({"telemetry-audit": sidecar})


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_the_pod_of_the_page_is_valid(helm: Path, tmp_path: Path, version: str) -> None:
    deployment = one(_rendered(helm, tmp_path), "Deployment")
    kubernetes_validate.validate(deployment, version, strict=True)


def test_the_sidecar_runs_before_and_after_the_service(helm: Path, tmp_path: Path) -> None:
    documents = _rendered(helm, tmp_path)
    template = one(documents, "Deployment")["spec"]["template"]
    (sidecar,) = template["spec"]["initContainers"]
    assert sidecar["restartPolicy"] == "Always"
    assert sidecar["startupProbe"]["httpGet"] == {"path": "/healthz", "port": "admin"}
    assert sidecar["securityContext"]["runAsUser"] == 10_001
    volumes = {volume["name"] for volume in template["spec"]["volumes"]}
    assert {mount["name"] for mount in sidecar["volumeMounts"]} == volumes
    monitor = one(documents, "PodMonitor")["spec"]["selector"]["matchLabels"]
    assert monitor.items() <= template["metadata"]["labels"].items()


def test_the_sidecar_may_use_a_volume_of_the_pod(helm: Path, tmp_path: Path) -> None:
    deployment = one(_rendered(helm, tmp_path, sidecar={"spoolVolume": "data"}), "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    (sidecar,) = pod["initContainers"]
    assert {"name": "data", "mountPath": "/var/lib/telemetry"} in sidecar["volumeMounts"]
    assert "audit-spool" not in {volume["name"] for volume in pod["volumes"]}


def test_the_values_of_the_page_are_accepted(helm: Path, tmp_path: Path) -> None:
    documents = Chart(helm, tmp_path).render(yaml.safe_load(_block("# values.yaml")))
    assert len(of_kind(documents, "PrometheusRule")) == 1
    (rule, *_) = one(documents, "PrometheusRule")["spec"]["groups"][0]["rules"]
    assert rule["annotations"]["runbook_url"] == "https://docs.example.com/telemetry/runbooks.md#auditeventslost"
    verify = one(documents, "PrometheusRule")["spec"]["groups"][-1]["rules"][0]
    assert one(documents, "CronJob")["metadata"]["name"] in verify["expr"]


def test_the_sidecar_takes_events_of_its_pod(helm: Path, prepared: Path, tmp_path: Path) -> None:
    port, admin = free_ports(2)
    token = new_token()
    identities = identity("payments", tokens=[token_entry(token)])
    with EmbeddedKafka(partitions=1) as kafka:
        audit = {"kafka_brokers": kafka.bootstrap_servers, "security_protocol": "PLAINTEXT", "encryption_config": None}
        local_key = {"localKey": {"existingSecret": "audit-local-key"}}
        documents = _rendered(helm, tmp_path, config={"audit_config": audit}, secrets=local_key)
        configuration = one(documents, "ConfigMap")
        objects = {
            configuration["metadata"]["name"]: {name: text.encode() for name, text in configuration["data"].items()},
            "audit-local-key": {name: (prepared / name).read_bytes() for name in ("audit.key", "passphrase")},
            "audit-identities": {"identities.toml": identities.encode()},
        }
        output = tmp_path / "sidecar.txt"
        with pod_site(objects) as site:
            pod = one(documents, "Deployment")["spec"]["template"]["spec"]
            changes = {"127.0.0.1:4318": f"127.0.0.1:{port}", "0.0.0.0:9464": f"127.0.0.1:{admin}"}
            process = site.start(pod, container="telemetry-audit", changes=changes, output=output)
            try:
                until(lambda: _is_ready(admin), what="readiness", state=output.read_text, timeout=120)
                headers = {"Authorization": f"Bearer {token}", "Prefer": "wait=delivered"}
                event = {"event_type": "user_login", "user_id": "ada", "payload": {}}
                answer = httpx.post(f"http://127.0.0.1:{port}/v1/events", json=event, headers=headers, timeout=60)
                assert (answer.status_code, answer.json()["events"][0]["level"]) == (202, "delivered")
                process.terminate()
                assert process.wait(120) == 0, output.read_text()
            finally:
                process.kill()
                process.wait()


def _is_ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=30).status_code == 200
    except httpx.TransportError:
        return False
