"""Attribution as W3C Baggage, read and written: `name=value;properties`, percent-encoded, separated by commas.

Each dimension is a member `tollbook.NAME`; members of others are left alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from unicodedata import category
from urllib.parse import quote, unquote

# The limits are those of `attribute`. They are looked up when they are used, since what comes from the process that
# started this one is read while that module is being loaded.

LONGEST = 8192
"""Characters of a `baggage` header that are sent and read, which is what the standard asks of everybody."""

PREFIX = "tollbook."
_PLAIN = "!$&'()*+/:@"
"""Characters of a value that need no percent sign, beside letters, digits and `_.-~`."""


def members_of(attribution: Mapping[str, str], room: int = LONGEST) -> list[str]:
    """The dimensions as members of a `baggage` header, as many as there is room for."""
    from tollbook.spans._attribution import DIMENSIONS

    found: list[str] = []
    for name in sorted(attribution, key=lambda name: DIMENSIONS.index(name) if name in DIMENSIONS else len(DIMENSIONS)):
        value = quote(attribution[name], safe=_PLAIN, errors="replace")
        member = f"{PREFIX}{quote(name, safe='', errors='replace')}={value}"
        if len(member) < room:
            found.append(member)
            room -= len(member) + 1
    return found


def parse_baggage(header: str, only: Iterable[str] | None = None) -> dict[str, str]:
    """The dimensions in a `baggage` header; whatever else it holds is ignored, and so is what is not well-formed.

    Args:
        header: As it was sent. Of one that is too long, the beginning is read.
        only: The dimensions to take; None: all.
    """
    from tollbook.spans._attribution import LONGEST_NAME, LONGEST_VALUE, MOST

    members = header[:LONGEST].split(",")
    if len(header) > LONGEST:
        del members[-1]  # it may be cut
    wanted = None if only is None else frozenset([only] if isinstance(only, str) else only)
    found: dict[str, str] = {}
    for member in members:
        key, equals, rest = member.strip().partition("=")
        if not equals or not key.startswith(PREFIX) or len(found) >= MOST:
            continue
        name = unquote(key[len(PREFIX) :].rstrip())
        value = unquote(rest.partition(";")[0].strip())
        named = 0 < len(name) <= LONGEST_NAME and _is_text(name)
        if named and value.strip() and _is_text(value) and (wanted is None or name in wanted):
            found[name] = value[:LONGEST_VALUE]
    return found


def _is_text(text: str) -> bool:
    """Whether there are no control characters and no halves of characters in it.

    Not whether it is printable: spaces that are not ASCII's are not, nor are joiners, which whole languages need.
    """
    return text.isprintable() or all(c.isprintable() or category(c) not in ("Cc", "Cs") for c in text)
