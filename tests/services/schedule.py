"""Distributes the tests among the workers: the longest first, beside short ones.

Most workers take the longest remaining work, so that no long file is left for the end; the last one takes the shortest,
so that tests that wait for servers run beside tests that only compute.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

EXPECTED_SECONDS: dict[str, float] = {
    "tests/fault/test_outage.py": 120,
    "tests/fault/test_archive_kills.py": 75,
    "tests/fault/test_archive_stores.py": 60,
    "tests/kafka/test_archive.py": 60,
    "tests/kafka/test_archive_adoption.py": 45,
    "tests/kafka/test_witnessed_archive.py": 15,
    "tests/cli/test_witness_archive.py": 12,
    "tests/attacks/test_archive_seals.py": 12,
    "tests/attacks/test_archive_verified.py": 12,
    "tests/explorer/": 150,
    "tests/unit/explorer/site/test_outage.py": 10,
    "tests/unit/explorer/jobs/test_desk.py": 20,
    "tests/unit/explorer/site/test_basket.py": 30,
    "tests/unit/explorer/site/test_proof.py": 15,
    "tests/unit/explorer/site/test_verification.py": 15,
    "tests/gateway/test_generated_requests.py": 30,
    "tests/gateway/test_requests.py": 12,
    "tests/fault/test_web_servers.py::": 10,
    "tests/gateway/test_callers.py": 45,
    "tests/gateway/test_ends.py::": 40,
    "tests/gateway/test_observed.py": 12,
    "tests/gateway/test_reload.py": 20,
    "tests/gateway/test_slow_callers.py": 50,
    "tests/examples/test_web_examples.py::": 6,
    "tests/examples/test_gateway_outage.py": 200,
    "tests/examples/test_gateway_clients.py": 40,
    "tests/unit/integrations/asgi/test_middleware.py": 20,
    "tests/unit/integrations/test_wsgi.py": 8,
    "tests/integrations/test_celery.py::": 15,
    "tests/unit/reader/sources/fetch/test_fetcher.py::": 3,
    "tests/unit/reader/sources/fetch/test_hostile_batches.py": 32,
    "tests/kafka/test_batch_peek.py": 15,
    "tests/fault/test_crash.py": 55,
    "tests/fault/test_upkeep_kills.py": 60,
    "tests/cli/test_archive_upkeep.py": 45,
    "tests/unit/archive/upkeep/test_day_work.py": 15,
    "tests/unit/archive/upkeep/test_cleaning.py": 10,
    "tests/archive/test_upkeep_locked_bucket.py": 12,
    "tests/archive/test_table_faults.py": 18,
    "tests/archive/test_table_in_buckets.py": 12,
    "tests/fault/test_subjects.py": 55,
    "tests/kafka/test_forgotten_subject.py": 30,
    "tests/kafka/test_forgotten_archive.py": 60,
    "tests/fault/test_subject_leases.py": 40,
    "tests/cli/test_subject.py": 45,
    "tests/contract/subjects/": 25,
    "tests/cli/test_verify_attacks.py": 45,
    "tests/cli/test_explore.py": 70,
    "tests/cli/test_catalog.py": 12,
    "tests/cli/test_disclosable.py": 15,
    "tests/cli/test_evidence.py": 100,
    "tests/cli/test_judged_looks.py": 6,
    "tests/unit/explorer/access/sign_in/test_oidc_sign_in.py": 6,
    "tests/unit/explorer/access/test_looks.py": 14,
    "tests/cli/test_evidence_attacks.py": 20,
    "tests/kafka/test_evidence.py": 30,
    "tests/cli/test_metrics_listen.py": 20,
    "tests/deploy/test_alert_rules.py": 36,
    "tests/deploy/test_chart.py": 45,
    "tests/deploy/test_compose.py": 15,
    "tests/deploy/test_gateway_alerts.py": 20,
    "tests/deploy/test_pod.py": 50,
    "tests/deploy/test_systemd.py": 23,
    "tests/kafka/test_doctor.py": 45,
    "tests/kafka/test_load_under_faults.py::": 40,
    "tests/fault/test_servers.py": 35,
    "tests/fault/test_processes.py": 25,
    "tests/attacks/test_w_bombs_in_a_row.py": 35,
    "tests/attacks/test_w_bombs.py": 30,
    "tests/fault/test_fault_matrix.py::test_real_broker": 24,
    "tests/cli/test_witness.py": 24,
    "tests/integrations/test_django.py": 90,
    "tests/integrations/test_django_postgres.py": 60,
    "tests/docs/test_django_page.py": 24,
    "tests/unit/integrations/django/test_middleware.py": 8,
    "tests/unit/explorer/index/test_filling.py": 50,
    "tests/property/test_event_index.py": 25,
    "tests/unit/trail/test_trail.py": 23,
    "tests/contract/storage/test_cloud_contract.py": 22,
    "tests/unit/integrations/sqlalchemy/test_session_audit.py": 25,
    "tests/fault/test_logging_handler.py": 15,
    "tests/docs/test_log_pages.py": 12,
    "tests/docs/test_sqlalchemy_page.py": 10,
    "tests/integrations/test_sqlalchemy_postgres.py": 20,
    "tests/fault/test_outage_memory.py": 22,
    "tests/fault/test_exit.py": 22,
    "tests/cli/test_export.py": 20,
    "tests/cli/test_tail.py": 20,
    "tests/fault/test_outbox_kills.py::": 25,
    "tests/unit/integrations/django/outbox/test_outbox.py": 40,
    "tests/unit/outbox/test_relay.py": 15,
    "tests/cli/test_relay.py": 12,
    "tests/cli/test_forward.py": 60,
    "tests/fault/test_key_service_fork.py": 20,
    "tests/unit/audit/test_pipeline_faults.py": 20,
    "tests/fault/test_spool_disk.py": 20,
    "tests/property/test_verifier.py": 18,
    "tests/cli/test_lineage.py": 18,
    "tests/cli/test_doctor_faults.py::": 17,
    "tests/contract/encryption/test_aws_kms_contract.py": 17,
    "tests/kafka/test_spared_reports.py::": 17,
    "tests/cli/test_relayed.py": 20,
    "tests/attacks/test_further_d_rows.py": 18,
    "tests/fault/test_shared_streams.py": 40,
    "tests/fault/test_shared_streams_killed.py": 14,
    "tests/unit/audit/streams/test_service_pipeline.py": 16,
    "tests/fault/test_relay_killed.py": 6,
    "tests/cli/test_prove.py": 16,
    "tests/contract/encryption/test_revocation.py": 16,
    "tests/fault/test_memory.py": 16,
    "tests/kafka/test_batch_spans.py": 15,
    "tests/contract/storage/test_third_party_store.py": 15,
    "tests/kafka/test_diagnosis_matrix.py": 15,
    "tests/contract/encryption/test_aws_kms.py": 14,
    "tests/attacks/test_w_transactions.py": 14,
    "tests/attacks/test_b_damaged_batch.py": 14,
    "tests/kafka/test_canary.py": 13,
    "tests/unit/encryption/providers/test_key_file.py": 13,
    "tests/fault/test_self_audit.py": 13,
    "tests/kafka/test_reading_rights.py": 13,
    "tests/cli/test_fallback.py::": 13,
    "tests/cli/test_main_job.py::": 12,
    "tests/kafka/test_cluster_events.py::": 12,
    "tests/cli/test_recorded_reads.py": 12,
    "tests/contract/encryption/test_azure_keyvault.py": 12,
    "tests/kafka/test_other_clients.py": 12,
    "tests/contract/encryption/test_sealed_records.py": 12,
    "tests/fault/test_replay.py": 12,
    "tests/property/test_sealed_record.py": 12,
    "tests/unit/encryption/test_keys_dropped.py": 12,
    "tests/cli/test_verify.py": 12,
    "tests/cli/test_lineage_copy.py": 12,
    "tests/fault/test_export_signals.py": 12,
    "tests/unit/audit/test_assembly.py": 11,
    "tests/unit/audit/spool/test_segment.py": 11,
    "tests/contract/encryption/test_local_key_contract.py": 10,
    "tests/fault/test_fallback_disk.py": 10,
    "tests/cli/test_fallback_stores.py": 10,
    "tests/fault/test_clock.py": 9,
    "tests/kafka/test_error_log.py::test_outage": 9,
    "tests/kafka/test_security.py::test_damaged": 9,
    "tests/unit/audit/accept/test_encryptor.py": 9,
    "tests/kafka/test_transport_faults.py": 8,
    "tests/fault/test_waiting.py": 8,
    "tests/fault/test_data_keys_fork.py": 7,
    "tests/unit/audit/spool/test_spool.py": 7,
    "tests/kafka/test_forward.py::": 40,
    "tests/kafka/test_harness.py::": 5,
    "tests/fault/test_fault_matrix.py::": 3,
    "tests/kafka/test_security.py::": 3,
    "tests/kafka/test_error_log.py::": 2,
}
"""Seconds of a file, or, where the name has ``::``, of each of its tests, which then need not run on one worker. A folder,
whose name ends with a slash, runs on one worker as a whole: its tests share what takes long to build.

Measured on two cores. Work that is not listed counts as short, so an entry that is out of date only costs time.
"""


def scope_of(nodeid: str) -> str:
    """Return what stays together on one worker: a test's file, the test alone, or a whole folder."""
    file = nodeid.partition("::")[0]
    folder = f"{file.rpartition('/')[0]}/"
    if folder in EXPECTED_SECONDS:
        return folder
    return nodeid if f"{file}::" in EXPECTED_SECONDS else file


def expected_seconds(scope: str) -> float:
    """Return the seconds that a file or a test is expected to take."""
    fitting = [name for name in EXPECTED_SECONDS if scope.startswith(name)]
    return EXPECTED_SECONDS[max(fitting, key=len)] if fitting else 0.0


class LongestFirst(LoadScopeScheduling):  # type: ignore[misc]  # its base is not typed
    """Orders the work by the expected time; the last worker takes it from the short end."""

    def schedule(self) -> None:
        """Distribute the first work, or more of it when a worker was replaced."""
        self.config.option.loadscopereorder = False
        super().schedule()

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)

    def _assign_work_unit(self, node: Any) -> None:
        if self.nodes.index(node) == len(self.nodes) - 1 and len(self.nodes) > 1:
            self.workqueue.move_to_end(next(reversed(self.workqueue)), last=False)
        super()._assign_work_unit(node)


def order_items(items: list[pytest.Item]) -> None:
    """Put the longest files and tests first; the random order of the others is kept."""
    scopes: OrderedDict[str, list[pytest.Item]] = OrderedDict()
    for item in items:
        scopes.setdefault(scope_of(item.nodeid), []).append(item)
    items[:] = [item for scope in sorted(scopes, key=expected_seconds, reverse=True) for item in scopes[scope]]
