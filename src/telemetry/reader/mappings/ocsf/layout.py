"""Lists the attributes that records of a class can have, so that a table has the same columns on every run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from telemetry.exceptions import ConfigurationError, Problem
from telemetry.reader.mappings.ocsf import attributes
from telemetry.reader.mappings.ocsf_schema import EventClass, published
from telemetry.reader.mappings.rules import Rule

_CLASSIFICATION = (
    *(
        "class_uid",
        "class_name",
        "category_uid",
        "category_name",
        "activity_id",
        "activity_name",
        "type_uid",
        "type_name",
    ),
    *("time", "severity_id", "severity", "status_id", "status", "status_detail", "message"),
)
_METADATA = tuple(
    f"metadata.{name}"
    for name in (
        *("version", "product.name", "product.vendor_name", "product.version", "uid", "sequence", "event_code"),
        *("original_time", "logged_time", "correlation_uid", "tenant_uid", "log_name", "log_provider", "log_version"),
        "profiles",
    )
)
_ACTOR = ("actor.user.uid", "actor.user.type_id", "actor.user.type", "actor.app_name", "actor.session.uid")
_ORIGIN = ("src_endpoint.ip", "src_endpoint.hostname", "src_endpoint.name", "src_endpoint.svc_name")
_USER = ("user.uid", "user.type_id", "user.type")
_SESSION = ("session.uid",)
_OF_CLASS: Mapping[int, tuple[str, ...]] = MappingProxyType(
    {
        attributes.AUTHENTICATION: ("service.name", *_SESSION),
        attributes.AUTHORIZE_SESSION: _SESSION,
        attributes.ENTITY_MANAGEMENT: (
            "comment",
            *(f"{side}.{name}" for side in ("entity", "entity_result") for name in ("type", "uid", "name", "data")),
        ),
        attributes.USER_ACCESS: ("resource.type", "resource.uid", "resource.name"),
        attributes.GROUP_MANAGEMENT: ("group.type", "group.uid", "group.name"),
        attributes.API_ACTIVITY: (
            *("api.operation", "api.service.name"),
            *("resources.type", "resources.uid", "resources.name"),
        ),
    }
)


def paths_of(class_uid: int, rules: Sequence[Rule]) -> tuple[str, ...]:
    """Return the dotted paths of all attributes that records of a class can have, sorted, without ``unmapped``.

    Args:
        class_uid: Number of the class.
        rules: All rules that are in use.
    """
    kind = published().classes[class_uid]
    by_rules = {field.target for rule in rules if rule.class_uid == class_uid for field in rule.fields}
    found = {path for path in _own_paths(class_uid, kind) if path.partition(".")[0] in kind.attributes} | by_rules
    return tuple(sorted(found | {path for each in ("", *by_rules) for path in _numbers_beside(each, kind)}))


def require_fillable(rules: Sequence[Rule]) -> None:
    """Check that the classes of the rules can be made at all: what a class requires, the event or the rule fills.

    Rules of presets are not checked: an event that lacks something is API Activity, and is counted.

    Raises:
        ConfigurationError: A rule lacks something; every such rule is named.
    """
    problems = [
        Problem(
            f"class_uid {rule.class_uid}, activity_id {rule.activity_id}",
            f"{published().classes[rule.class_uid].caption} requires {missing}, which no event has by itself",
            "fill it in [rule.fields] or [rule.constants]",
        )
        for rule in rules
        if not rule.is_of_preset
        for missing in _unfilled(rule)
    ]
    if problems:
        raise ConfigurationError(*problems)


def _own_paths(class_uid: int, kind: EventClass) -> Iterator[str]:
    yield from (*_CLASSIFICATION, *_METADATA, *_ACTOR, *_ORIGIN, "http_request.user_agent")
    yield from _OF_CLASS.get(class_uid, ())
    if kind.category[0] == attributes.IDENTITY:
        yield from _USER


def _numbers_beside(path: str, kind: EventClass) -> Iterator[str]:
    """Yield the required numbers of the objects along a path, which are 0 (Unknown) where nothing is known."""
    members, so_far = kind.attributes, ""
    for name in (None, *path.split(".")[:-1]):
        if name is not None:
            so_far += f"{name}."
            members = published().objects[members[name].object].attributes
        yield from (f"{so_far}{each}" for each, value in members.items() if value.required and "0" in value.enum)


def _unfilled(rule: Rule) -> Iterator[str]:
    kind = published().classes[rule.class_uid]
    filled = {path.partition(".")[0] for path in paths_of(rule.class_uid, (rule,))}
    yield from (name for name, value in kind.attributes.items() if value.required and name not in filled)
    for names in (kind.at_least_one, kind.just_one):
        if names and not filled.intersection(name.partition(".")[0] for name in names):
            yield " or ".join(names)
