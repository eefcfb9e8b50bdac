"""Derives the packaged extract of the OCSF schema from the schema that PyPI ``ocsf-json-schema`` packs.

``python -m tests.support.ocsf_published`` prints the extract.
"""

from __future__ import annotations

import json
import sys
from functools import cache
from typing import Any

from ocsf_json_schema import get_ocsf_schema

from telemetry.reader.mappings.ocsf_schema import VERSION

_PROFILES = (None, "host")
_EXTENSIONS = 100_000
_DERIVED = ("category_uid", "class_uid", "type_uid")
"""Attributes whose values follow from the class and the activity."""


@cache
def published() -> dict[str, Any]:
    """Return the published schema."""
    found: dict[str, Any] = get_ocsf_schema(version=VERSION)
    return found


def extract() -> bytes:
    """Return the classes without extensions, and the objects that they reach, without words for people."""
    found = published()
    base = _attributes(found["base_event"])
    classes = {
        str(kind["uid"]): {
            "name": kind["name"],
            "caption": kind["caption"],
            "category": [int(kind.get("category_uid") or 0), kind.get("category_name") or "Uncategorized"],
            **_constraints(kind),
            "attributes": {name: value for name, value in _attributes(kind).items() if base.get(name) != value},
        }
        for kind in sorted(found["classes"].values(), key=lambda kind: kind["uid"])
        if "/" not in kind["name"] and kind["uid"] < _EXTENSIONS
    }
    waiting = [base, *(kind["attributes"] for kind in classes.values())]
    objects: dict[str, Any] = {}
    while waiting:
        for attribute in waiting.pop().values():
            name = attribute.get("object")
            if name and name not in objects:
                thing = found["objects"][name]
                objects[name] = {**_constraints(thing), "attributes": _attributes(thing)}
                waiting.append(objects[name]["attributes"])
    parts = (
        f'"version":{_json(found["version"])}',
        f'"base":{_json(base)}',
        f'"classes":{{\n{_lines(classes)}}}',
        f'"objects":{{\n{_lines(dict(sorted(objects.items())))}}}',
    )
    return ("{" + ",\n".join(parts) + "}\n").encode()


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _lines(things: dict[str, Any]) -> str:
    return ",\n".join(f"{_json(name)}:{_json(thing)}" for name, thing in things.items())


def _constraints(thing: dict[str, Any]) -> dict[str, Any]:
    return dict(sorted((thing.get("constraints") or {}).items()))


def _attributes(thing: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _attribute(name, value)
        for name, value in sorted(thing["attributes"].items())
        if value.get("profile") in _PROFILES
    }


def _attribute(name: str, value: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"type": value["type"].removesuffix("_t")}
    if value["type"] == "object_t":
        found = {"object": value["object_type"]}
    if value.get("is_array"):
        found["array"] = True
    if value.get("requirement") == "required":
        found["required"] = True
    if value.get("profile"):
        found["profile"] = value["profile"]
    if value.get("enum") and name not in _DERIVED:
        found["enum"] = {number: meaning["caption"] for number, meaning in sorted(value["enum"].items())}
    return found


if __name__ == "__main__":
    sys.stdout.buffer.write(extract())
