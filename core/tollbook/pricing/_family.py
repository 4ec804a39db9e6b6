"""Which models are smaller ones of the same family, by their names: what people would try first, and no more.

A name is words (`claude`, `gpt`), a version (`4-5`, `4o`) and a size (`opus`, `mini`). Models of one family have the
same words. Nothing is said of what they can do.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

SIZES = {
    **dict.fromkeys(("pro", "opus", "large"), 0),
    **dict.fromkeys(("sonnet", "medium"), 1),
    **dict.fromkeys(("mini", "flash", "haiku", "small"), 2),
    **dict.fromkeys(("nano", "lite", "tiny"), 3),
}
"""Words for sizes, the larger the number the smaller the model; a name without any is 1."""

_ANY = 1
_NO_PART = frozenset({"latest", "preview"})
_DATE = re.compile(r"-20\d\d-?[01]\d-?[0-3]\d\b")
_BUILD = re.compile(r"-v\d+(:\d+)?$")
"""What Bedrock puts after a model's own name."""
_NAME = re.compile(r"[a-z0-9]+([./-][a-z0-9]+)*")

Version = tuple[tuple[int, str], ...]
Kind = tuple[tuple[str, ...], int, Version]
"""Words, size, version."""


def _kind(name: str) -> Kind | None:
    """None for a name that is not made as described."""
    short = _DATE.sub("", _BUILD.sub("", name.lower()))
    if not _NAME.fullmatch(short):
        return None
    words: list[str] = []
    version: list[tuple[int, str]] = []
    sizes: list[int] = []
    for part in re.split(r"[./-]", short):
        if part in SIZES:
            sizes.append(SIZES[part])
        elif digits := re.search(r"\d+", part):
            version.append((int(digits[0]), part.replace(digits[0], "", 1)))
        elif part not in _NO_PART:
            words.append(part)
    return tuple(sorted(words)), max(sizes, default=_ANY), tuple(version)


def smaller(model: str, among: Iterable[str]) -> list[str]:
    """The smaller models of the family of `model`, one of each size, of the same version or the newest before it."""
    own = _kind(model)
    if own is None:
        return []
    best: dict[int, tuple[Version, int, str]] = {}
    for name in among:
        kind = _kind(name)
        if kind is None or kind[0] != own[0] or kind[1] <= own[1] or kind[2] > own[2] or not _same(kind[2], own[2]):
            continue
        # Of several, the plainest name is meant.
        found = (kind[2], -len(name), name)
        best[kind[1]] = max(best.get(kind[1], found), found)
    return [best[size][2] for size in sorted(best)]


def _same(one: Version, other: Version) -> bool:
    """Whether the versions are counted alike: `o3` and `4o` are of other lines than `3` and `4`, and `8b` is a size."""
    return bool(one) == bool(other) and all(a == b for (_, a), (_, b) in zip(one, other, strict=False))


def smaller_models(seller: str, model: str) -> list[str]:
    """As `smaller`, among all that the price list `seller` names."""
    from tollbook.pricing._browse import names
    from tollbook.pricing._places import definitions

    return smaller(model, {name for where, name in names([each for _, each in definitions()]) if where == seller})
