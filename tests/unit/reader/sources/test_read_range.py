from __future__ import annotations

import pytest

from telemetry.exceptions import ConfigurationError
from telemetry.reader.sources.read_range import MAX_GROUP, ReadRange


@pytest.mark.parametrize(
    "name", ["", " ", "\t", " siem", "siem ", "a\0b", "\x1b[31m", "a\u202eb", "x" * (MAX_GROUP + 1)]
)
def test_odd_name_of_a_group_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="group"):
        ReadRange(group=name)


@pytest.mark.parametrize("name", ["siem", "a b", "größe", "x" * MAX_GROUP])
def test_other_names_of_groups_are_accepted(name: str) -> None:
    assert ReadRange(group=name).group == name
