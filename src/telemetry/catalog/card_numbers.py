"""Finds payment card numbers in texts: digits of an issuer, of its length, whose check digit is right."""

from __future__ import annotations

import re
import unicodedata

MIN_DIGITS, MAX_DIGITS = 13, 19

# The groups in which cards print their number, with one separator throughout; or all digits in a row. A number that is a
# part of a longer word, number or decimal fraction is something else: an id, a hash, a measurement.
_CANDIDATE = re.compile(
    r"(?<![\w])(?<!\d[.,\-])(?:"
    r"\d{13,19}"
    r"|\d{4}(?P<s>[ .\-\u00a0\u2009\u2010-\u2015\u202f])\d{4}(?P=s)\d{4}(?P=s)\d{1,4}(?:(?P=s)\d{1,3})?"
    r"|\d{4}(?P<t>[ .\-\u00a0\u2009\u2010-\u2015\u202f])\d{6}(?P=t)\d{4,5}"
    r")(?![\w])(?![.,\-]\d)"
)

_FOUR_DIGITS = re.compile(r"\d{4}")
"""Every candidate begins so; most texts have none, and this is found out faster."""

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


def replace_card_numbers(text: str, replacement: str) -> str:
    """Return a text in which each card number is replaced; the same object if it has none.

    Args:
        text: Any text; the work is proportional to its length.
        replacement: What stands for a number.
    """
    if len(text) < MIN_DIGITS or not _FOUR_DIGITS.search(text) or not _CANDIDATE.search(text):
        return text
    replaced = _CANDIDATE.sub(lambda match: replacement if is_card_number(_digits(match[0])) else match[0], text)
    return text if replaced == text else replaced


def is_card_number(digits: str) -> bool:
    """Return whether digits are a card number: issuer, length and check digit (ISO/IEC 7812-1, annex B).

    Args:
        digits: ASCII digits.
    """
    if not MIN_DIGITS <= len(digits) <= MAX_DIGITS or len(set(digits)) == 1:
        return False
    return _is_of_an_issuer(digits) and _has_check_digit(digits)


def _digits(text: str) -> str:
    return "".join(str(unicodedata.decimal(character)) for character in text if character.isdecimal())


def _is_of_an_issuer(digits: str) -> bool:
    return any(low <= digits[: len(low)] <= high and len(digits) in lengths for low, high, lengths in _ISSUERS)


def _has_check_digit(digits: str) -> bool:
    total = sum(map(int, digits[-1::-2]))
    total += sum(sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return total % 10 == 0
