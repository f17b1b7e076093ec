"""Texts with planted personal data, and with look-alikes that are none; made from a seed, with numbers that are nobody's.

Check digits are computed here anew, from the standards, so that a mistake in the rules is not repeated in their test.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

LETTERS, DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"
SENTENCES = (
    "Please write to {} about it.",
    "It was {} that they gave us",
    "({}) is what the form said.",
    "Contact: {}",
    "{}",
    '"{}",',
)


@dataclass(frozen=True)
class Planted:
    """A text with `value` at `start`; `kind` is what it is, None for a look-alike."""

    text: str
    value: str
    kind: str | None
    start: int


def planted(seed: int, count: int) -> list[Planted]:
    """`count` texts with personal data of every kind in turn, and as many with look-alikes."""
    draw = random.Random(seed)
    made: list[Planted] = []
    for makers, is_private in ((PRIVATE, True), (TRAPS, False)):
        names = list(makers)
        for number in range(count):
            name = names[number % len(names)]
            value = makers[name](draw)
            before, after = draw.choice(SENTENCES).split("{}")
            filler = "Nothing of note happened on that day. " * draw.randrange(3)
            made.append(
                Planted(
                    filler + before + value + after,
                    value,
                    name.split()[0] if is_private else None,
                    len(filler + before),
                )
            )
    return made


def _some(draw: random.Random, alphabet: str, count: int) -> str:
    return "".join(draw.choice(alphabet) for _ in range(count))


def _luhn(body: str) -> str:
    total = sum(sum(divmod(int(d) * 2, 10)) if place % 2 == 0 else int(d) for place, d in enumerate(reversed(body)))
    return body + str(-total % 10)


def _card(draw: random.Random) -> str:
    prefix, length = draw.choice((("4", 16), ("52", 16), ("2301", 16), ("37", 15), ("6011", 16), ("3530", 16)))
    number = _luhn(prefix + _some(draw, DIGITS, length - len(prefix) - 1))
    between = draw.choice(("", " ", "-"))
    groups = (
        [number[:4], number[4:10], number[10:]] if length == 15 else [number[at : at + 4] for at in range(0, 16, 4)]
    )
    return between.join(groups)


def _iban(draw: random.Random) -> str:
    country, body = draw.choice(
        (
            ("DE", _some(draw, DIGITS, 18)),
            ("GB", "WEST" + _some(draw, DIGITS, 14)),
            ("NL", "ABNA" + _some(draw, DIGITS, 10)),
            ("FR", _some(draw, DIGITS, 23)),
            ("ES", _some(draw, DIGITS, 20)),
        )
    )
    number = int("".join(str(int(c, 36)) for c in body + country + "00"))
    plain = f"{country}{98 - number % 97:02d}{body}"
    return " ".join(plain[at : at + 4] for at in range(0, len(plain), 4)) if draw.random() < 0.5 else plain


def _email(draw: random.Random) -> str:
    name = draw.choice(("anna.maria", "j_doe", "info+list", "x", "o'neil", "first-last", "m99"))
    return f"{name}@{draw.choice(('mail', 'post', 'dept.uni', 'a-b'))}.{draw.choice(('com', 'de', 'co.uk', 'org', 'museum'))}"


def _ip(draw: random.Random) -> str:
    if draw.random() < 0.3:
        return "2a00:1450:" + ":".join(f"{draw.randrange(1, 65536):x}" for _ in range(6))
    first = draw.choice((8, 23, 45, 81, 93, 151, 185, 203))
    return ".".join(map(str, (first, *(draw.randrange(1, 255) for _ in range(3)))))


def _phone(draw: random.Random) -> str:
    last = f"{draw.randrange(10000):04d}"
    area, office = (
        draw.choice(("212", "415", "617", "303", "512")),
        f"{draw.choice('23456789')}{draw.choice('02345678')}{draw.choice(DIGITS)}",
    )
    london = f"7{draw.randrange(100, 1000)}"
    return draw.choice(
        (
            f"({area}) {office}-{last}",
            f"{area}-{office}-{last}",
            f"+1 {area} {office} {last}",
            f"+1-{area}-{office}-{last}",
            f"+44 20 {london} {last}",
            f"020 {london} {last}",
            f"+49 30 {draw.randrange(20000000, 99999999)}",
            f"+33 1 42 {draw.randrange(10, 99)} {draw.randrange(10, 99)} {draw.randrange(10, 99)}",
        )
    )


def _ssn(draw: random.Random) -> str:
    return f"{draw.randrange(1, 666):03d}-{draw.randrange(1, 100):02d}-{draw.randrange(1, 10000):04d}"


def _dni(draw: random.Random) -> str:
    number = draw.randrange(10**7, 10**8)
    return f"{number}{'TRWAGMYFPDXBNJZSQVHLCKE'[number % 23]}"


def _cpf(draw: random.Random) -> str:
    digits = [draw.randrange(10) for _ in range(9)]
    for size in (9, 10):
        rest = sum(digit * (size + 1 - place) for place, digit in enumerate(digits[:size])) % 11
        digits.append(0 if rest < 2 else 11 - rest)
    text = "".join(map(str, digits))
    return f"{text[:3]}.{text[3:6]}.{text[6:9]}-{text[9:]}"


def _key(draw: random.Random) -> str:
    every = LETTERS + LETTERS.lower() + DIGITS
    return draw.choice(
        (
            "AKIA" + _some(draw, LETTERS + DIGITS, 16),
            "ghp_" + _some(draw, every, 36),
            "hf_" + _some(draw, every, 34),
            "sk-" + _some(draw, every, 40),
            "xoxb-" + _some(draw, DIGITS, 12) + "-" + _some(draw, every, 24),
            "glpat-" + _some(draw, every, 20),
        )
    )


def _version(draw: random.Random) -> str:
    numbers = ".".join(str(draw.randrange(30)) for _ in range(4))
    return draw.choice(("version ", "v", "release ", "Python/", "build ")) + numbers


def _isbn(draw: random.Random) -> str:
    return draw.choice(
        (
            f"ISBN 978-3-16-{draw.randrange(10**5, 10**6)}-0",
            f"ISBN 0-306-{draw.randrange(10**4, 10**5)}-2",
            f"ISBN: 978{draw.randrange(10**9, 10**10)}",
        )
    )


def _time(draw: random.Random) -> str:
    date = f"20{draw.randrange(10, 30)}-{draw.randrange(1, 13):02d}-{draw.randrange(1, 29):02d}"
    clock = f"{draw.randrange(24):02d}:{draw.randrange(60):02d}:{draw.randrange(60):02d}"
    return draw.choice(
        (
            f"{date} {clock}",
            f"{date}T{clock}Z",
            str(draw.randrange(1_500_000_000, 1_800_000_000)),
            date.replace("-", ""),
        )
    )


PRIVATE: dict[str, Callable[[random.Random], str]] = {
    "email": _email,
    "card": _card,
    "iban": _iban,
    "ip": _ip,
    "phone": _phone,
    "national ssn": _ssn,
    "national dni": _dni,
    "national cpf": _cpf,
    "key": _key,
}
TRAPS: dict[str, Callable[[random.Random], str]] = {
    "version": _version,
    "isbn": _isbn,
    "time": _time,
    "hash": lambda draw: _some(draw, "0123456789abcdef", draw.choice((32, 40, 64))),
    "uuid": lambda draw: "-".join(_some(draw, "0123456789abcdef", size) for size in (8, 4, 4, 4, 12)),
    "not a card": lambda draw: _luhn("4" + _some(draw, DIGITS, 14))[:-1] + "x",
    "wrong check": lambda draw: (lambda right: right[:-1] + str((int(right[-1]) + 5) % 10))(
        _luhn("52" + _some(draw, DIGITS, 13))
    ),
    "private network": lambda draw: f"192.168.{draw.randrange(255)}.{draw.randrange(255)}",
    "file": lambda draw: f"logo@{draw.randrange(2, 4)}x.png",
    "decimal": lambda draw: f"{draw.random() * 1000:.12f}",
    "section": lambda draw: (
        f"section {draw.randrange(9)}.{draw.randrange(20)}.{draw.randrange(20)}.{draw.randrange(20)}"
    ),
    "mac": lambda draw: ":".join(_some(draw, "0123456789abcdef", 2) for _ in range(6)),
    "range": lambda draw: f"pages {draw.randrange(100, 400)}-{draw.randrange(400, 999)}",
    "price": lambda draw: f"{draw.randrange(1, 999)},{draw.randrange(1000):03d},{draw.randrange(1000):03d}.00",
    "policy": lambda draw: f"Standards-Version to 3.{draw.randrange(9)}.{draw.randrange(9)}.{draw.randrange(4)}",
    "program": lambda draw: f"XFree86 4.{draw.randrange(9)}.{draw.randrange(9)}.{draw.randrange(9)}",
    "column": lambda draw: f"{draw.randrange(1000, 9999)}  9.0.{draw.randrange(2000):04d}  {draw.randrange(99)}",
    "path": lambda draw: "bugs.example/detail/" + _luhn("53" + _some(draw, DIGITS, 13)),
    "file name": lambda draw: (
        "add-missing-pk-" + draw.choice(("debconf", "service", "handler")) + "-service-files-again.patch"
    ),
    "placeholder": lambda draw: draw.choice(
        ("password = yourpasswordgoeshere", "api_key: xxxxxxxxxxxxxxxxxxxxxxxx", "token=REPLACE_ME_WITH_TOKEN")
    ),
}
