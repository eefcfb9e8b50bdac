"""Finds payment card numbers in texts: digits of an issuer, of its length, whose check digit is right."""

from __future__ import annotations

import re
import unicodedata

MIN_DIGITS, MAX_DIGITS = 13, 19
MAX_CANDIDATES = 10_000
"""Of one text; what follows is replaced unseen, since no text that somebody wrote has so many."""

# The groups in which cards print their number, with one separator throughout; or all digits in a row. A number that is a
# part of a longer word, number or decimal fraction is something else: an id, a hash, a measurement.
_CANDIDATE = re.compile(
    r"(?<![\w])(?<!\d[.,\-])(?:"
    r"\d{13,19}"
    r"|\d{4}(?P<s>[ .\-\u00a0\u2009\u2010-\u2015\u202f])\d{4}(?P=s)\d{4}(?P=s)\d{1,4}(?:(?P=s)\d{1,3})?"
    r"|\d{4}(?P<t>[ .\-\u00a0\u2009\u2010-\u2015\u202f])\d{6}(?P=t)\d{4,5}"
    r")(?![\w])(?![.,\-]\d)"
)

_NO_SEPARATORS = dict.fromkeys(map(ord, " .-\u00a0\u2009\u202f\u2010\u2011\u2012\u2013\u2014\u2015"))
_FOUR_DIGITS = re.compile(r"\d{4}")
"""Every candidate begins so; most texts have none, and this is found out faster."""

_DOUBLED = {str(digit): sum(divmod(2 * digit, 10)) for digit in range(10)}

# First digits from, to; numbers of digits. Sources: ISO/IEC 7812-1, and the ranges that the networks publish.
_ISSUERS = (
    ("4", "4", (13, 16, 19)),  # Visa
    ("51", "55", (16,)),  # Mastercard
    ("2221", "2720", (16,)),
    ("34", "34", (15,)),  # American Express
    ("37", "37", (15,)),
    ("300", "305", (14, 16, 17, 18, 19)),  # Diners Club
    ("3095", "3095", (14, 16, 17, 18, 19)),
    ("36", "36", (14, 15, 16, 17, 18, 19)),
    ("38", "39", (14, 16, 17, 18, 19)),
    ("6011", "6011", (16, 17, 18, 19)),  # Discover
    ("644", "659", (16, 17, 18, 19)),
    ("3528", "3589", (16, 17, 18, 19)),  # JCB
    ("62", "62", (16, 17, 18, 19)),  # UnionPay
    ("81", "81", (16, 17, 18, 19)),
    ("2200", "2204", (16, 17, 18, 19)),  # Mir
    ("60", "60", (16,)),  # RuPay
    ("82", "82", (16,)),
    ("508", "508", (16,)),
    ("9792", "9792", (16,)),  # Troy
    ("5018", "5018", (13, 14, 15, 16, 17, 18, 19)),  # Maestro
    ("5020", "5020", (13, 14, 15, 16, 17, 18, 19)),
    ("5038", "5038", (13, 14, 15, 16, 17, 18, 19)),
    ("5893", "5893", (13, 14, 15, 16, 17, 18, 19)),
    ("6304", "6304", (13, 14, 15, 16, 17, 18, 19)),
    ("6759", "6763", (13, 14, 15, 16, 17, 18, 19)),
)

_BY_DIGIT = {digit: [issuer for issuer in _ISSUERS if issuer[0][0] <= digit <= issuer[1][0]] for digit in "0123456789"}


def replace_card_numbers(text: str, replacement: str) -> str:
    """Return a text in which each card number is replaced; the same object if it has none.

    Args:
        text: Any text; the work is proportional to its length, and bounded.
        replacement: What stands for a number.
    """
    if len(text) < MIN_DIGITS or not _FOUR_DIGITS.search(text) or not _CANDIDATE.search(text):
        return text
    parts: list[str] = []
    kept = start = candidates = 0
    # From each beginning again: a group before a number could be taken for its first four digits.
    while (match := _CANDIDATE.search(text, start)) is not None:
        candidates += 1
        if candidates > MAX_CANDIDATES:
            return "".join((*parts, text[kept : match.start()], replacement))
        end = _end_of_number(match)
        if end is None:
            start = match.start() + 1
        else:
            parts += (text[kept : match.start()], replacement)
            kept = start = end
    return "".join((*parts, text[kept:])) if parts else text


def is_card_number(digits: str) -> bool:
    """Return whether digits are a card number: issuer, length and check digit (ISO/IEC 7812-1, annex B).

    Args:
        digits: ASCII digits.
    """
    if not MIN_DIGITS <= len(digits) <= MAX_DIGITS or len(set(digits)) == 1:
        return False
    return _is_of_an_issuer(digits) and _has_check_digit(digits)


def _end_of_number(match: re.Match[str]) -> int | None:
    """Return where the card number at the beginning of a candidate ends; None if there is none."""
    if is_card_number(_digits(match[0])):
        return match.end()
    separator = match["s"]
    # The last group may be something else: the month in which the card expires.
    shorter = match[0].rpartition(separator)[0] if separator is not None else ""
    return match.start() + len(shorter) if is_card_number(_digits(shorter)) else None


def _digits(text: str) -> str:
    digits = text.translate(_NO_SEPARATORS)
    return digits if digits.isascii() else "".join(str(unicodedata.decimal(digit)) for digit in digits)


def _is_of_an_issuer(digits: str) -> bool:
    return any(
        low <= digits[: len(low)] <= high and len(digits) in lengths for low, high, lengths in _BY_DIGIT[digits[0]]
    )


def _has_check_digit(digits: str) -> bool:
    total = sum(map(int, digits[-1::-2]))
    total += sum(map(_DOUBLED.__getitem__, digits[-2::-2]))
    return total % 10 == 0
