"""Checks everything a trail needs on this machine, and says for each part that it is fine, or what to do."""

from telemetry.doctor.examine import examine, examine_files
from telemetry.doctor.report import CheckResult, Report, Status, refused_configuration

__all__ = ["CheckResult", "Report", "Status", "examine", "examine_files", "refused_configuration"]
