"""Usage: what a call used, in disjoint buckets, from every provider's own words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tollbook.usage._buckets import BUCKETS, CACHE_READS, CACHE_WRITES, INPUT_TOKENS, OUTPUT_TOKENS, TOKENS, Bucket
from tollbook.usage._convention import Convention, Field
from tollbook.usage._read import read
from tollbook.usage._usage import Part, Source, Usage
from tollbook.usage._write import merge, selectors, write

if TYPE_CHECKING:
    from tollbook.usage._conventions import CONVENTIONS

__all__ = [
    "BUCKETS",
    "CACHE_READS",
    "CACHE_WRITES",
    "CONVENTIONS",
    "INPUT_TOKENS",
    "OUTPUT_TOKENS",
    "TOKENS",
    "Bucket",
    "Convention",
    "Field",
    "Part",
    "Source",
    "Usage",
    "merge",
    "read",
    "selectors",
    "write",
]


def __getattr__(name: str) -> Any:
    if name == "CONVENTIONS":  # late: reading the first usage loads them, importing does not
        from tollbook.usage import _conventions

        return _conventions.CONVENTIONS
    raise AttributeError(f"module 'tollbook.usage' has no attribute {name!r}")
