"""Telephone numbers, and not the order numbers, dates and amounts that look like them."""

import re
from collections.abc import Iterator, Sequence

import phonenumbers
from phonenumbers import NumberParseException, PhoneMetadata, PhoneNumberFormat

from deployments.privacy.runs import BLANKS, LEAST, Run, is_joined, sizes_of
from deployments.privacy.spelling import INVISIBLE, is_word

DIGITS_MAX = 15
"""Of a whole number, by E.164."""
_EXIT_CODE = 2  # digits of `00`
_GROUPS_MAX = 7  # a country, an area and five pairs
_DATE = re.compile(
    r"(?:19|20)\d\d([-./ ])(?:0?[1-9]|1[0-2])\1(?:0?[1-9]|[12]\d|3[01])(?!\d)"
    r"|(?:0?[1-9]|[12]\d|3[01])([-./ ])(?:0?[1-9]|[12]\d|3[01])\2(?:19|20)\d\d(?!\d)"
)
# What people write before their number, where its groups do not tell what it is.
_SAID = re.compile(
    r"\b(?:phone|telephone|tele?f[oó]n[oe]?|telefax|tel|fax|mobile?|cell|handy|whatsapp|sms|text me|"
    r"call|reach me|ring|rufen|anrufen|erreichbar|ll[aá]mame|m[oó]vil|appel\w*|portable)\b[^\d\n]{0,24}$"
    # Where words have no spaces between them.
    r"|(?:电话|電話|手机|手機|号码|號碼|致电|携帯|連絡先|ケータイ|전화|휴대폰|연락처|โทร|เบอร์)[^\d\n]{0,24}$",
    re.IGNORECASE,
)
_SAID_WITHIN = 40
# Between groups of one number; a line's end, a comma or a star is not.
_GAP = re.compile(
    rf"[{INVISIBLE}]*+(?:[{BLANKS}./()\u2010\u2011\u2013-]|[{BLANKS}]{{0,2}}[./()-][{BLANKS}()-]{{0,2}})?[{INVISIBLE}]*+"
)
_GAP_MAX = 12  # characters, most of them invisible


class Phones:
    """Finds numbers with a country code anywhere, and those of `region` without one."""

    def __init__(self, region: str) -> None:
        self._region = region
        metadata = PhoneMetadata.metadata_for_region(region)
        numbers = None if metadata is None else metadata.general_desc
        lengths = () if numbers is None else numbers.possible_length
        trunk = "" if metadata is None else metadata.national_prefix or ""
        self._lengths = {*lengths, *(length + len(trunk) for length in lengths)}

    def find(self, text: str, found_runs: Sequence[Run]) -> Iterator[tuple[int, int]]:
        """Where they stand, in the text's order and without an overlap."""
        for run in found_runs:
            last = 0
            for first, (start, _) in enumerate(run.groups):
                if start >= last:
                    found = self._longest(text, run, first)
                    if found is not None:
                        yield found
                        last = found[1]

    def _longest(self, text: str, run: Run, first: int) -> tuple[int, int] | None:
        """The longest number that begins with this group."""
        digits, groups, offsets = run
        start, before = groups[first]
        begin = _beginning(text, start)
        if begin is None:
            return None
        is_abroad = "+" in text[begin:start] or text.startswith("00", start)
        offset, ends = offsets[first], list[tuple[int, int]]()
        for index in range(first, min(first + _GROUPS_MAX, len(groups))):
            group_start, end = groups[index]
            length = offsets[index + 1] - offset
            if length > DIGITS_MAX + _EXIT_CODE or (
                index > first and not _joins(text, before, group_start)
            ):
                break
            before = end
            if (length >= LEAST if is_abroad else length in self._lengths) and not (
                _goes_on(text, end, has_plus="+" in text[begin:start])
            ):
                ends.append((length, index + 1))
        if not ends or _DATE.match(text, start) is not None:
            return None
        for length, stop in reversed(ends):
            said = digits[offset : offset + length]
            if is_abroad:
                is_one = _parsed("+" + said.removeprefix("00"), None) is not None
            else:
                is_one = self._is_national(text, said, begin, groups[first:stop])
            if is_one:
                end = groups[stop - 1][1]
                # A bracket that is not closed within it is around more than the number.
                is_around = text.count("(", begin, end) > text.count(")", begin, end)
                return begin + is_around, end
        return None

    def _is_national(
        self, text: str, digits: str, begin: int, groups: Sequence[tuple[int, int]]
    ) -> bool:
        is_said = _SAID.search(text, max(begin - _SAID_WITHIN, 0), begin) is not None
        # A run without groups is any number, unless somebody says what it is.
        number = _parsed(digits, self._region) if is_said or len(groups) > 1 else None
        if number is None or is_said:
            return number is not None
        shown = phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL)
        usual = sizes_of(shown)
        written = [end - start for start, end in groups]
        return len(usual) > 1 and written[-len(usual) :] == usual and len(written) - len(usual) < 2


def _beginning(text: str, start: int) -> int | None:
    """Where a number whose first digits are at `start` begins; None where it is part of something else."""
    begin = start
    while begin > 0 and start - begin < 3 and text[begin - 1] in "+( ":
        if text[begin - 1] == " " and text[begin - 2 : begin - 1] != "+":
            break
        begin -= 1
    before, further = text[begin - 1 : begin], text[begin - 2 : begin - 1]
    if "+" in text[begin:start] and not before.isdigit():
        return begin  # a country's code tells where a number begins
    if is_joined(text, begin) or before in {"#", "$", "€", "£", "@"}:
        return None
    if before and before in "-./,:=" and is_word(further) and before != ":":
        return None
    return begin


def _joins(text: str, end: int, start: int) -> bool:
    """Whether digits that end and begin here can be of one number."""
    return start - end <= _GAP_MAX and _GAP.fullmatch(text, end, start) is not None


def _goes_on(text: str, end: int, *, has_plus: bool) -> bool:
    after, further = text[end : end + 1], text[end + 1 : end + 2]
    if has_plus:
        return after in {"-", "/", "."} and further.isdigit()
    return is_word(after) or after == "%" or (after in {"-", "/", "."} and is_word(further))


def _parsed(text: str, region: str | None) -> phonenumbers.PhoneNumber | None:
    try:
        number = phonenumbers.parse(text, region)
    except NumberParseException:
        return None
    return number if phonenumbers.is_valid_number(number) else None
