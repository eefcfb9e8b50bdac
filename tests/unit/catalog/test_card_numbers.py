from __future__ import annotations

import pytest

from telemetry.catalog.card_numbers import MAX_CANDIDATES, is_card_number, replace_card_numbers

# The numbers that payment networks and processors publish for tests.
CARDS = (
    *("4111111111111111", "4012888888881881", "4222222222222", "5555555555554444", "5105105105105100"),
    *("2223003122003222", "378282246310005", "371449635398431", "6011111111111117", "6011000990139424"),
    *("30569309025904", "38520000023237", "36227206271667", "3530111333300000", "6200000000000005"),
    *("2200000000000004", "6759649826438453", "5018000000000009"),
)


@pytest.mark.parametrize("number", CARDS)
def test_test_numbers_of_the_networks_are_found(number: str) -> None:
    assert is_card_number(number)
    assert replace_card_numbers(f"card {number}, thanks", "X") == "card X, thanks"


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "4111.1111.1111.1111",
        "4111\u00a01111\u00a01111\u00a01111",
        "4111\u20131111\u20131111\u20131111",
        "3782 822463 10005",
        "3056 930902 5904",
        "6200 0000 0000 0000 000",
        "\uff14111111111111111",
        "(4111111111111111)",
        "pan=4111111111111111&x=1",
        '"4111111111111111"',
        "1 4111 1111 1111 1111",
        "1234 4111 1111 1111 1111",
        "4111 1111 1111 1111 12/27",
    ],
)
def test_number_in_any_spelling_is_replaced(text: str) -> None:
    assert "1111" not in replace_card_numbers(text, "X").replace("1 X", "X")
    assert "X" in replace_card_numbers(text, "X")


@pytest.mark.parametrize(
    "text",
    [
        "4111111111111112",  # check digit
        "0000000000000000",
        "1732900000000",  # milliseconds since 1970
        "1732900000000000",
        "1732900000000000000",
        "20261130112725000",
        "4111aaaa-1111-4111-8111-111111111111",
        "41111111-1111-1111-4111-111111111111",
        "0198c0de-1111-7222-8333-444455556666",
        "a4111111111111111",
        "4111111111111111b",
        "x_4111111111111111",
        "0.4111111111111111",
        "4111111111111111.5",
        "41111111111111111111",  # 20 digits
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "+49 30 1234 5678 9012",
        "1111 2222 3333 4444",
        "",
    ],
)
def test_ids_times_and_hashes_are_kept(text: str) -> None:
    assert replace_card_numbers(text, "X") is text


def test_several_numbers_of_one_text_are_replaced() -> None:
    text = "4111111111111111 and 5555-5555-5555-4444 and 4111111111111112"

    assert replace_card_numbers(text, "X") == "X and X and 4111111111111112"


def test_endless_candidates_are_replaced_unseen() -> None:
    text = "4111111111111112 " * (MAX_CANDIDATES + 5)

    replaced = replace_card_numbers(text, "X")

    assert replaced == "4111111111111112 " * MAX_CANDIDATES + "X"
