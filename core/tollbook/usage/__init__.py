"""Usage: what a call used, in disjoint buckets, from every provider's own words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tollbook._lazy import lazily

if TYPE_CHECKING:
    from tollbook.usage._buckets import (
        BUCKETS,
        CACHE_READS,
        CACHE_WRITES,
        INPUT_TOKENS,
        OUTPUT_TOKENS,
        TOKENS,
        Bucket,
    )
    from tollbook.usage._convention import Convention, Field
    from tollbook.usage._conventions import CONVENTIONS
    from tollbook.usage._read import read
    from tollbook.usage._usage import Part, Source, Usage, check
    from tollbook.usage._write import merge, selectors, write

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
    "check",
    "merge",
    "read",
    "selectors",
    "write",
]

__getattr__ = lazily(
    __name__,
    _buckets="BUCKETS CACHE_READS CACHE_WRITES INPUT_TOKENS OUTPUT_TOKENS TOKENS Bucket",
    _convention="Convention Field",
    _conventions="CONVENTIONS",
    _read="read",
    _usage="Part Source Usage check",
    _write="merge selectors write",
)
