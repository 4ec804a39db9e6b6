"""Usage: what a call used, in disjoint buckets, from every provider's own words."""

from tollbook.usage._buckets import BUCKETS, CACHE_READS, CACHE_WRITES, INPUT_TOKENS, OUTPUT_TOKENS, Bucket
from tollbook.usage._usage import Part, Source, Usage

__all__ = [
    "BUCKETS",
    "CACHE_READS",
    "CACHE_WRITES",
    "INPUT_TOKENS",
    "OUTPUT_TOKENS",
    "Bucket",
    "Part",
    "Source",
    "Usage",
]
