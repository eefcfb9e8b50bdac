from __future__ import annotations

import pytest

from telemetry.evidence.pack.names import MAX_NAME, EventFolder, event_of, is_name, is_roster, roster_file

ID = "0198c0de-1111-7222-8333-444455556666"


def test_names_of_a_pack() -> None:
    names = [*(folder.file_of(ID) for folder in EventFolder), roster_file("0123abcd", 7), "index.html", "manifest.note"]
    assert names[:4] == [
        f"events/{ID}.json",
        f"proofs/{ID}.proof.json",
        f"disclosures/{ID}.json",
        "rosters/0123abcd/00000000000000000007.roster",
    ]
    assert all(is_name(name) and len(name) <= MAX_NAME for name in names)
    assert [is_roster(name) for name in names] == [False, False, False, True, False, False]
    assert [event_of(name) for name in names[:3]] == [(folder, ID) for folder in EventFolder]
    assert event_of("index.html") is None


@pytest.mark.parametrize(
    "name",
    [
        *(
            "",
            ".",
            "..",
            "index.html ",
            "index.html\n",
            "Index.html",
            "a/index.html",
            "./index.html",
            "events",
            "other.txt",
        ),
        *(f"events/{ID}.proof.json", f"proofs/{ID}.json", f"events/{ID.upper()}.json", f"/events/{ID}.json"),
        *(f"events/{ID}.json/", f"events//{ID}.json", f"events/../events/{ID}.json", f"events\\{ID}.json"),
        *("rosters/0123abcd/7.roster", "rosters/0123ABCD/00000000000000000007.roster", "CON", "nul.json"),
        *(
            "manifest.json:stream",
            "manifest.json\x00",
            "index\u2024html",
            "rosters/\u0660123abcd/00000000000000000007.roster",
        ),
    ],
)
def test_other_names_are_none(name: str) -> None:
    assert not is_name(name)
    assert event_of(name) is None
