"""The rules by which structured personal data are found: a cheap look, a pattern, and a check that rejects look-alikes.

Checks: Luhn for cards (ISO/IEC 7812), mod 97 for IBANs (ISO 13616), the ranges and check characters of national numbers, real
number plans for phones (phonenumbers), routable addresses only, entropy for keys. Each rule walks a text once.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from trivium.base.errors import MissingExtra

Kind = Literal["key", "email", "iban", "card", "national", "phone", "ip"]


@dataclass(frozen=True)
class Found:
    """Characters `start` to `end` are personal data of a kind (a `Kind`, or a model's own), by a rule."""

    kind: str
    rule: str
    start: int
    end: int


Rule = Callable[[str, tuple[str, ...]], Iterator[Found]]

_DOMAIN = re.compile(r"@((?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,24})(?![A-Za-z0-9_])")
_LOCAL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._%+'-]{0,62}[A-Za-z0-9_+-])?$")
_FILES = frozenset(
    ["png", "jpg", "jpeg", "gif", "svg", "webp", "js", "ts", "css", "scss", "html", "py", "json", "map", "min"]
)
_DIGITS = re.compile(r"(?<![\w.+/-])\d(?:[ -]?\d){11,18}(?![\w-]|\.\d)")
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])")
_V4 = re.compile(r"(?<![\w.-])(?:\d{1,3}\.){3}\d{1,3}(?!\.?\d|[A-Za-z_-])")
_V6 = re.compile(r"(?<![\w:.])[23][0-9A-Fa-f]{0,3}:(?:[0-9A-Fa-f]{0,4}:){1,6}[0-9A-Fa-f]{0,4}(?![\w:])")
_VERSION_BEFORE = re.compile(
    r"(?:\b(?:v|ver|vers|version|versions|release|releases|build|firmware|revision|rev|section|chapter|clause|oid|policy|python|"
    r"openssl|linux|kernel|chrome|safari|firefox|driver|package|patch|tag)(?:\s+(?:to|from|is|of|number))?[\s.:=(\"']{0,3}"
    r"|\b(?:up|down)grade[ds]?\s+to\s+|[/=_])$",
    re.IGNORECASE,
)
_NETWORK_NEAR = re.compile(
    r"\b(?:ips?|ipv4|addr(?:ess(?:es)?)?|hosts?|servers?|clients?|dns|ping|proxy|gateway|peer|node|from|via|resolver|login)\b",
    re.IGNORECASE,
)
LARGEST_OF_VERSION = 32  # four numbers below it are more often a version than an address
_NUMBERS = re.compile(r"(?:\+|\(|\b)\d[\d().\-/ \u00a0]{5,}\d")  # where a phone number may stand


def emails(text: str, regions: tuple[str, ...]) -> Iterator[Found]:
    """Found from the '@' on both sides, so that long runs cost nothing."""
    if "@" in text:
        for match in _DOMAIN.finditer(text):
            if match[1].rpartition(".")[2].lower() not in _FILES:
                local = _LOCAL.search(text, max(0, match.start() - 65), match.start())
                if local and ".." not in local[0]:
                    yield Found("email", "address", local.start(), match.end())


def cards(text: str, regions: tuple[str, ...]) -> Iterator[Found]:
    """Numbers of a brand's length and beginning, in its grouping or none, with a right check digit."""
    for match in _DIGITS.finditer(text):
        digits = re.sub(r"\D", "", match[0])
        if _is_card(digits) and luhn(digits) and _is_grouped(match[0]):
            yield Found("card", "luhn", match.start(), match.end())


def _is_card(digits: str) -> bool:
    head, size = int(digits[:4]), len(digits)
    return (
        (digits[0] == "4" and size in (13, 16, 19))
        or (size == 16 and (5100 <= head <= 5599 or 2221 <= head <= 2720))
        or (size == 15 and digits[:2] in ("34", "37"))
        or (16 <= size <= 19 and (head == 6011 or 6440 <= head <= 6599))
        or (size == 16 and 3528 <= head <= 3589)
        or (size == 14 and (3000 <= head <= 3059 or digits[:2] in ("36", "38")))
    )


def _is_grouped(text: str) -> bool:
    groups = [len(group) for group in re.split(r"[ -]", text)]
    return len(groups) == 1 or (groups[0] == 4 and all(group in (3, 4, 5, 6) for group in groups[1:]))


def luhn(digits: str) -> bool:
    """Whether the check digit of ISO/IEC 7812 is right."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


_IBAN_LENGTHS = {
    code: int(length)
    for code, length in re.findall(
        r"([A-Z]{2})(\d\d)",
        "AD24AE23AL28AT20AZ28BA20BE16BG22BH22BR29CH21CR22CY28CZ24DE22DK18DO28EE20EG29ES24FI18FO18FR27GB22GE22GI23GL18GR27"
        "GT28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32LI21LT20LU20LV21MC27MD24ME22MK19MR27MT31MU30NL18NO15PK24PL28"
        "PS29PT25QA29RO24RS22SA24SE24SI19SK24SM27TN24TR26UA29VA22VG24XK20",
    )
}


def ibans(text: str, regions: tuple[str, ...]) -> Iterator[Found]:
    """Of a country's length and with a remainder of 1 modulo 97; words that follow are let go."""
    for match in _IBAN.finditer(text):
        length = _IBAN_LENGTHS.get(match[0][:2], 0)
        kept = _first_characters(match[0], length)
        plain = kept.replace(" ", "")
        if plain and len(plain) == length and int("".join(str(int(c, 36)) for c in plain[4:] + plain[:4])) % 97 == 1:
            yield Found("iban", "mod 97", match.start(), match.start() + len(kept))


def _first_characters(text: str, count: int) -> str:
    """The beginning of `text` up to its `count`-th character that is no space."""
    places = [place for place, character in enumerate(text, 1) if character != " "]
    return text[: places[count - 1]] if 0 < count <= len(places) else ""


def addresses(text: str, regions: tuple[str, ...]) -> Iterator[Found]:
    """IPv4 and IPv6 addresses that are routed; a version number has the same form, so what stands before decides."""
    for rule, pattern in (("IPv4", _V4), ("IPv6", _V6)):
        if (rule == "IPv4" and text.count(".") < 3) or (rule == "IPv6" and text.count(":") < 2):
            continue
        for match in pattern.finditer(text):
            before = text[max(0, match.start() - 24) : match.start()]
            try:
                is_global = ipaddress.ip_address(match[0]).is_global
            except ValueError:
                continue
            if is_global and (before.endswith("//") or not _is_version(match[0], before)):
                yield Found("ip", rule, match.start(), match.end())


def _is_version(value: str, before: str) -> bool:
    """Whether what stands before says so, or the numbers are small and nothing before speaks of a network."""
    if _VERSION_BEFORE.search(before):
        return True
    numbers = value.split(".")
    is_small = len(numbers) == 4 and all(int(number) < LARGEST_OF_VERSION for number in numbers)
    return is_small and not _NETWORK_NEAR.search(before)


_NATIONAL: Mapping[str, tuple[re.Pattern[str], Callable[[str], bool]]] = {
    "US SSN": (
        re.compile(r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])"),
        lambda d: d[:3] not in ("000", "666") and d[0] != "9" and d[4:6] != "00" and d[7:] != "0000",
    ),
    "UK NINO": (
        re.compile(r"(?<!\w)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D](?!\w)"),
        lambda d: d[:2] not in ("BG", "GB", "KN", "NK", "NT", "TN", "ZZ"),
    ),
    "ES DNI": (
        re.compile(r"(?<!\w)\d{8}-?[A-HJ-NP-TV-Z](?!\w)"),
        lambda d: "TRWAGMYFPDXBNJZSQVHLCKE"[int(d[:8]) % 23] == d[-1],
    ),
    "FR NIR": (
        re.compile(r"(?<![\w.-])[12] ?\d{2} ?(?:0[1-9]|1[0-2]) ?\d{2} ?\d{3} ?\d{3} ?\d{2}(?![\w-]|\.\d)"),
        lambda d: 97 - int(re.sub(r"\D", "", d)[:13]) % 97 == int(re.sub(r"\D", "", d)[13:]),
    ),
    "BR CPF": (re.compile(r"(?<![\w.])\d{3}\.\d{3}\.\d{3}-\d{2}(?!\w)"), lambda d: _cpf(re.sub(r"\D", "", d))),
    "IT codice fiscale": (
        re.compile(r"(?<!\w)[A-Z]{6}\d{2}[A-EHLMPR-T]\d{2}[A-Z]\d{3}[A-Z](?!\w)"),
        lambda d: _codice(d[:15]) == d[15],
    ),
}


def national_numbers(text: str, regions: tuple[str, ...]) -> Iterator[Found]:
    """Numbers of persons, by country, each with the check that its country has."""
    for rule, (pattern, is_right) in _NATIONAL.items():
        for match in pattern.finditer(text):
            if is_right(match[0]):
                yield Found("national", rule, match.start(), match.end())


def _cpf(digits: str) -> bool:
    if len(set(digits)) == 1:
        return False
    for size in (9, 10):
        total = sum(int(digit) * (size + 1 - place) for place, digit in enumerate(digits[:size]))
        if total * 10 % 11 % 10 != int(digits[size]):
            return False
    return True


_ODD_DIGITS = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21)
_ODD_LETTERS = (*_ODD_DIGITS, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)
_ODD = dict(zip("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", _ODD_DIGITS + _ODD_LETTERS, strict=True))


def _codice(body: str) -> str:
    """The check character of an Italian tax code (decree of 23 December 1976)."""
    total = sum(
        _ODD[c] if place % 2 == 0 else (int(c) if c.isdigit() else ord(c) - ord("A")) for place, c in enumerate(body)
    )
    return chr(ord("A") + total % 26)


def phones(text: str, regions: tuple[str, ...]) -> Iterator[Found]:
    """Valid numbers of a real number plan, written with a '+' or with separators. Needs phonenumbers."""
    if not _NUMBERS.search(text):
        return
    try:
        import phonenumbers
    except ImportError:
        raise MissingExtra("phonenumbers", "data", "finding phone numbers") from None
    ends = 0
    for match in _NUMBERS.finditer(text):
        start, end = max(match.start() - 1, ends), min(len(text), match.end() + 12)
        for region in (*regions, None):
            for found in phonenumbers.PhoneNumberMatcher(text[start:end], region, phonenumbers.Leniency.VALID, 3):
                raw = found.raw_string
                if (
                    start + found.start >= ends
                    and _looks_dialled(raw)
                    and _stands_alone(text, start + found.start, start + found.end)
                ):
                    ends = start + found.end
                    yield Found("phone", region or "international", start + found.start, ends)


def _looks_dialled(raw: str) -> bool:
    groups = re.findall(r"\d+", raw)
    if re.search(r"[ \t\u00a0]{2}|[\r\n]", raw) or ("." in raw and min(map(len, groups)) == 1):
        return False  # columns of a table, or a version
    if raw.lstrip("(").startswith("+"):
        return True
    is_date = len(groups) == 3 and (len(groups[0]) == 4 and len(groups[1]) == len(groups[2]) == 2)
    return (
        len(groups) >= 2
        and len(groups[-1]) > 1
        and not is_date
        and not re.search(r"\d\.\d.*\s|/", raw)
        and len(max(groups, key=len)) <= 8
    )


def _stands_alone(text: str, start: int, end: int) -> bool:
    before, after = text[max(0, start - 8) : start], text[end : end + 2]
    return not re.search(r"[\w.#$-]$|ISBN[\s:-]*$|ISSN[\s:-]*$", before) and not re.match(r"[\w-]|\.\d", after)


_KEYS: Mapping[str, re.Pattern[str]] = {
    "AWS": re.compile(r"(?<![A-Z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Z0-9])"),
    "GitHub": re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{60,})"),
    "GitLab": re.compile(r"\bglpat-[A-Za-z0-9_-]{20,}"),
    "Slack": re.compile(r"\bxox[abprs]-[A-Za-z0-9-]{10,}"),
    "Google": re.compile(r"\bAIza[A-Za-z0-9_-]{35}"),
    "Hugging Face": re.compile(r"\bhf_[A-Za-z0-9]{30,}"),
    "secret key": re.compile(r"\b(?:sk|pk|rk)[-_](?:live[-_]|test[-_]|proj-|ant-)?[A-Za-z0-9_-]{20,}"),
    "JSON web token": re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"),
    "private key": re.compile(
        r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----[A-Za-z0-9+/=\s:,-]{16,8000}?-----END [A-Z ]{0,20}PRIVATE KEY-----"
    ),
}
_SPOKEN_KEY = re.compile(
    r"(?i)(?:api[_-]?key|secret|access[_-]?token|auth[_-]?token|passw(?:or)?d)[\"']?\s{0,2}[:=]\s{0,2}[\"']?([A-Za-z0-9/+_=-]{16,200})"
)
LEAST_ENTROPY = 3.5  # bits per character: words and placeholders stay below


def keys(text: str, regions: tuple[str, ...]) -> Iterator[Found]:
    """Keys with a known beginning, and whatever is called one and looks drawn at random."""
    for rule, pattern in _KEYS.items():
        for match in pattern.finditer(text):
            if rule != "secret key" or _is_random(match[0]):
                yield Found("key", rule, match.start(), match.end())
    for match in _SPOKEN_KEY.finditer(text):
        value = match[1]
        if _is_random(value):
            yield Found("key", "named and random", match.start(1), match.end(1))


def _is_random(text: str) -> bool:
    """Whether a text looks drawn at random: letters, digits, and much entropy."""
    return _entropy(text) >= LEAST_ENTROPY and any(map(str.isdigit, text)) and any(map(str.isalpha, text))


def _entropy(text: str) -> float:
    return -sum(n / len(text) * math.log2(n / len(text)) for n in Counter(text).values())


RULES: Mapping[Kind, Rule] = {
    "email": emails,
    "card": cards,
    "iban": ibans,
    "ip": addresses,
    "national": national_numbers,
    "phone": phones,
    "key": keys,
}
