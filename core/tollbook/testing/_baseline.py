"""What tests cost before, in a file that is kept with them."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from tollbook._money import exactly, plain, show
from tollbook._paths import replace_file


class Sum(msgspec.Struct, frozen=True):
    """What one test's calls came to."""

    usd: Decimal
    tokens: int
    calls: int
    unpriced: int = 0
    estimated: int = 0
    replayed: int = 0

    def __add__(self, other: Sum) -> Sum:
        with exactly():
            return Sum(*(getattr(self, name) + getattr(other, name) for name in self.__struct_fields__))


class _File(msgspec.Struct):
    tests: dict[str, dict[str, Any]]
    version: int = 1


def read(path: Path) -> dict[str, Sum]:
    """The tests of a baseline, by their ids.

    Raises:
        ValueError: It is no baseline; the message says what is wrong.
        OSError: It can't be read.
    """
    try:
        file = msgspec.json.decode(path.read_bytes(), type=_File)
        if file.version != 1:
            raise ValueError(f"{path} is a baseline of version {file.version}; this tollbook knows version 1")
        return {test: msgspec.convert(fields, Sum, strict=False) for test, fields in file.tests.items()}
    except msgspec.DecodeError as error:
        raise ValueError(f"{path} is no baseline: {error}") from None


def write(path: Path, sums: dict[str, Sum]) -> None:
    """Write the baseline, in an order and form in which a diff shows what has changed.

    Raises:
        OSError: It can't be written.
    """
    tests = {
        test: {"usd": plain(s.usd), "tokens": s.tokens, "calls": s.calls}
        | ({"unpriced": s.unpriced} if s.unpriced else {})
        for test, s in sorted(sums.items())
    }
    replace_file(path, (json.dumps({"version": 1, "tests": tests}, indent=1) + "\n").encode())


def risen(before: Sum, now: Sum, percent: float) -> str | None:
    """How far `now` is above `before`, as a sentence, if that is more than `percent`; None if not.

    Where calls have no price, tokens are compared, too.
    """
    if now.unpriced > before.unpriced:
        return f"{now.unpriced} of its model calls have no known price; in the baseline {before.unpriced} had none"
    pairs: list[tuple[Decimal, Decimal, str, str]] = [(before.usd, now.usd, show(before.usd), show(now.usd))]
    if before.unpriced:
        tokens = Decimal(before.tokens), Decimal(now.tokens)
        pairs.append((*tokens, f"{before.tokens:,} tokens", f"{now.tokens:,} tokens"))
    for old, new, old_said, new_said in pairs:
        with exactly():
            if new > old * (1 + Decimal(str(percent)) / 100):
                rise = f" ({(new / old - 1) * 100:+.1f} %)" if old else ""
                return f"the test's model calls rose from {old_said} to {new_said}{rise}; {percent:g} % are tolerated"
    return None
