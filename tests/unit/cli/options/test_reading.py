from __future__ import annotations

from typing import Any

import pytest

from telemetry.cli.options.reading import ReadingBundle, ReadOptions
from telemetry.exceptions import ConfigurationError


def _values(**given: Any) -> dict[str, Any]:
    return {name: default for name, (_, default) in ReadingBundle.options.items()} | given


def test_defaults_read_the_whole_topic() -> None:
    read = ReadOptions(_values())

    within = read.read_range()
    assert (within.since, within.until, within.offset, within.follow) == (None, None, None, False)
    assert not read.selected.selects_by_content


def test_options_bound_the_range() -> None:
    within = ReadOptions(_values(offset=3, since="1h")).read_range(end_offset=9, follow=True)

    assert (within.offset, within.end_offset, within.follow) == (3, 9, True)
    assert within.since is not None


def test_unusable_value_is_refused_at_once() -> None:
    with pytest.raises(ConfigurationError, match="--outcome"):
        ReadOptions(_values(outcomes=["won"]))
