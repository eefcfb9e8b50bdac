"""Defines the tables of the subject store, and the SQL that creates them."""

from __future__ import annotations

from telemetry.exceptions import ConfigurationError, Problem

SCHEMA_VERSION = 1
STATE = "telemetry_subject_state"
STORE_KEYS = "telemetry_subject_store_keys"
LOOKUPS = "telemetry_subject_lookups"
KEYS = "telemetry_subject_keys"
HOLDERS = "telemetry_subject_holders"
TABLES = (STATE, STORE_KEYS, LOOKUPS, KEYS, HOLDERS)

# A key refers to the store key that opens it, so that no process seals under a store key that another one has replaced.
# In SQLite the rows are in the order of their random names: the order of creation would outlive the subject.
_CREATE = f"""\
CREATE TABLE IF NOT EXISTS {STATE} (
    id integer PRIMARY KEY CHECK (id = 1),
    version integer NOT NULL,
    epoch bigint NOT NULL
);
INSERT INTO {STATE} (id, version, epoch) VALUES (1, {SCHEMA_VERSION}, 0) ON CONFLICT DO NOTHING;
CREATE TABLE IF NOT EXISTS {STORE_KEYS} (
    store_key_id varchar(64) PRIMARY KEY,
    source varchar(4096) NOT NULL,
    wrapped {{blob}} NOT NULL,
    key_uri varchar(2048) NOT NULL,
    recipients text NOT NULL,
    created_ms bigint NOT NULL
);
CREATE TABLE IF NOT EXISTS {LOOKUPS} (
    source varchar(4096) PRIMARY KEY,
    store_key_id varchar(64) NOT NULL REFERENCES {STORE_KEYS} (store_key_id),
    sealed {{blob}} NOT NULL
);
CREATE TABLE IF NOT EXISTS {KEYS} (
    key_id varchar(64) PRIMARY KEY,
    source varchar(4096) NOT NULL,
    lookup {{blob}},
    store_key_id varchar(64) REFERENCES {STORE_KEYS} (store_key_id),
    sealed {{blob}},
    created_ms bigint,
    hold {{blob}},
    epoch bigint NOT NULL DEFAULT 0,
    forgetting_ms bigint,
    forgotten_ms bigint
){{end}};
CREATE UNIQUE INDEX IF NOT EXISTS {KEYS}_active ON {KEYS} (lookup) WHERE lookup IS NOT NULL AND forgetting_ms IS NULL;
CREATE INDEX IF NOT EXISTS {KEYS}_lookup ON {KEYS} (lookup) WHERE lookup IS NOT NULL;
CREATE INDEX IF NOT EXISTS {KEYS}_epoch ON {KEYS} (epoch) WHERE epoch > 0;
CREATE INDEX IF NOT EXISTS {KEYS}_pending ON {KEYS} (forgetting_ms) WHERE forgetting_ms IS NOT NULL;
CREATE INDEX IF NOT EXISTS {KEYS}_store_key ON {KEYS} (store_key_id) WHERE store_key_id IS NOT NULL;
CREATE TABLE IF NOT EXISTS {HOLDERS} (
    holder_id varchar(64) PRIMARY KEY,
    described varchar(300) NOT NULL,
    seen_epoch bigint NOT NULL,
    expires_ms bigint NOT NULL
);
"""
_DIALECTS = {
    "postgresql": {"blob": "bytea", "end": ""},
    "sqlite": {"blob": "blob", "end": " WITHOUT ROWID"},
}


def create_tables_sql(dialect: str) -> str:
    """Return the statements that create the tables.

    Args:
        dialect: ``postgresql`` or ``sqlite``.

    Raises:
        ConfigurationError: The dialect is unknown.
    """
    words = _DIALECTS.get(dialect)
    if words is None:
        raise ConfigurationError(Problem("dialect", "is not supported", f"use one of: {', '.join(_DIALECTS)}"))
    return _CREATE.format(**words)
