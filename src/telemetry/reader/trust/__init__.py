"""Decides who may be believed: which key may sign which streams, as which role, and from when until when."""

from telemetry.reader.trust.judgement import Judgement, Role, Statement, TimeBasis
from telemetry.reader.trust.policy import SourceRule, TrustedKey, TrustPolicy, matches, roles_of
from telemetry.reader.trust.trust_file import load_trust_file, parse_trust_file, read_trust_file

__all__ = [
    "Judgement",
    "Role",
    "SourceRule",
    "Statement",
    "TimeBasis",
    "TrustPolicy",
    "TrustedKey",
    "load_trust_file",
    "matches",
    "parse_trust_file",
    "read_trust_file",
    "roles_of",
]
