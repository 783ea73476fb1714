"""Personal data that a model should not learn by heart: e-mail addresses, phone, card and account numbers.

Patterns are strict rather than broad: a card number must pass the Luhn test (ISO/IEC 7812-1), an IBAN its check digits
(ISO 13616), a phone number must be written like one. Names and addresses are not found; the finding says so.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise

_EMAIL = re.compile(
    r"(?<![\w.+-])[A-Za-z0-9][\w.+-]{0,63}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})*\.[A-Za-z]{2,24}(?![\w-])"
)
_IBAN = re.compile(r"(?<![A-Z0-9])[A-Z]{2}\d{2}(?:[ ]?[A-Z0-9]{4}){2,7}(?:[ ]?[A-Z0-9]{1,4})?(?![A-Z0-9])")
_CARD = re.compile(r"(?<![\d-])\d(?:[ -]?\d){12,18}(?![\d-])")
_PHONE = re.compile(
    r"""(?<![\w.,/+-])(?<!\d[ ])(?:
        (?:\+|00)\d{1,3}[\s.\-/]?(?:\(\d{1,5}\)[\s.\-/]?)?\d(?:[\s.\-/]?\d){5,12}      # +44 20 7946 0958
      | \(\d{2,5}\)[\s.\-/]?\d{2,4}(?:[\s.\-/]?\d{2,5}){1,3}                           # (415) 555-2671
      | \d{3}[\s.\-]\d{3}[\s.\-]\d{4}                                                  # 415-555-2671
      | 555-\d{4}                                                                      # 555-0188
      | 0\d{1,5}[\s\-/]\d{2,8}(?:[\s\-]\d{2,5}){0,4}                                   # 020 7946 0958, 0171/1234567
      | 0\d{9,10}                                                                      # 07911123456
    )(?![\w-])(?![.,]\d)""",
    re.VERBOSE,
)
_DIGITS = re.compile(r"\d(?:[ .()/\-]{0,3}+\d){6}")


def _is_card(text: str) -> bool:
    digits = [int(c) for c in text if c.isdigit()]
    if not 13 <= len(digits) <= 19 or len(set(digits)) == 1 or digits[0] not in (2, 3, 4, 5, 6):
        return False
    total = 0
    for position, digit in enumerate(reversed(digits)):
        doubled = digit * 2 if position % 2 else digit
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0


def _is_iban(text: str) -> bool:
    plain = text.replace(" ", "")
    if not 15 <= len(plain) <= 34:
        return False
    moved = plain[4:] + plain[:4]
    return int("".join(str(int(c, 36)) for c in moved)) % 97 == 1


def _is_phone(text: str) -> bool:
    digits = [c for c in text if c.isdigit()]
    # 12345678 and 1111111 are examples; dates such as 01-02-2024 have at most eight digits.
    steps = {int(b) - int(a) for a, b in pairwise(digits)}
    enough = 7 if text[0] in "+(" or text.startswith("555-") else 9
    return enough <= len(digits) <= 15 and len(steps) > 1 and not re.fullmatch(r"0?\d[-/ .]\d{1,2}[-/ .]\d{2,4}", text)


def _always(text: str) -> bool:
    return True


KINDS: tuple[tuple[str, str, re.Pattern[str], Callable[[str], bool]], ...] = (
    ("e-mail address", "[EMAIL]", _EMAIL, _always),
    ("account number (IBAN)", "[IBAN]", _IBAN, _is_iban),
    ("card number", "[CARD]", _CARD, _is_card),
    ("phone number", "[PHONE]", _PHONE, _is_phone),
)
"""(what it is, what it is masked with, pattern, test)."""


def find(text: str) -> list[tuple[str, str]]:
    """(what it is, the text found), in the order of :data:`KINDS`."""
    found: list[tuple[str, str]] = []
    _masked(text, found)
    return found


def mask(text: str) -> str:
    """The text with every find replaced by its mask; the very same object when there is none."""
    return _masked(text, [])


def _masked(text: str, found: list[tuple[str, str]]) -> str:
    at, digits = "@" in text, _DIGITS.search(text) is not None
    if not at and not digits:
        return text
    for kind, replacement, pattern, passes in KINDS:
        if (pattern is _EMAIL and not at) or (pattern is not _EMAIL and not digits):
            continue

        def replace(
            match: re.Match[str], kind: str = kind, by: str = replacement, test: Callable[[str], bool] = passes
        ) -> str:
            if not test(match.group()):
                return match.group()
            found.append((kind, match.group()))
            return by

        text = pattern.sub(replace, text)
    return text
