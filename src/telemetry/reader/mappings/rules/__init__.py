"""Says which OCSF class and activity an event is, by rules that people write; nothing is guessed here."""

from telemetry.reader.mappings.rules.rule import Rule, RuleField
from telemetry.reader.mappings.rules.rule_book import RuleBook, default_rules
from telemetry.reader.mappings.rules.rule_file import parse_rules, read_rules, rules_of

__all__ = ["Rule", "RuleBook", "RuleField", "default_rules", "parse_rules", "read_rules", "rules_of"]
