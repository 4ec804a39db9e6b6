"""From numbers that may contain each other to quantities that don't."""

from __future__ import annotations

from tollbook.usage._buckets import BUCKETS, CACHE_READS, CACHE_WRITES, INPUT_TOKENS, OUTPUT_TOKENS, TOKENS
from tollbook.usage._plan import Plan

_CACHES = CACHE_READS | CACHE_WRITES
_SIDES = (("input", INPUT_TOKENS), ("output", OUTPUT_TOKENS))


def settle(
    known: Plan, stated: dict[str, int], total: int | None, seen: dict[str, int]
) -> tuple[dict[str, int], list[str]]:
    """Disjoint quantities, and flags for what did not add up.

    Args:
        known: Says which bucket's number contains which.
        stated: Each bucket's number, with all that it contains.
        total: The stated total of all tokens; None if there is none.
        seen: All numbers by their paths.
    """
    rest = {bucket: number for bucket, number in stated.items() if number}
    flags: list[str] = []
    for bucket in known.order:  # what contains nothing first
        own = rest.get(bucket)
        if own is None:
            continue
        for over in known.around[bucket]:
            if over in rest:
                rest[over] -= own
                if rest[over] < 0 and known.around[over]:
                    rest[over] = 0  # its parts are more exact than it is, and what is around both has the say
                    flags.append(_exceeds(over))
    if total or (total is not None and not rest):  # a total of nothing, beside something, was not filled in
        _compare(known, rest, stated, total, seen, flags)
    for bucket in [bucket for bucket, number in rest.items() if number < 0]:
        _untangle(known, rest, stated, bucket, flags)
    found = {bucket: number for bucket, number in rest.items() if number > 0}
    if not found:
        zeros = [bucket for bucket in stated if not known.around[bucket]]
        found = dict.fromkeys([bucket for bucket in zeros if bucket in TOKENS] or zeros, 0)
    return found, flags


def _exceeds(bucket: str) -> str:
    return f"parts_exceed_{BUCKETS[bucket].direction}"


def _tokens(rest: dict[str, int]) -> int:
    return sum(number for bucket, number in rest.items() if bucket in TOKENS)


def _compare(
    known: Plan, rest: dict[str, int], stated: dict[str, int], total: int, seen: dict[str, int], flags: list[str]
) -> None:
    """Let the stated total say what the parts leave open, or flag that it differs from them."""
    if not any(bucket in TOKENS for bucket in stated):
        rest["input"] = total
        stated["input"] = total
        if total:
            flags.append("total_only")
        return
    gap = total - _tokens(rest)
    if gap < 0:
        # A total may leave out what is counted apart (cached input, reasoning).
        if total != stated.get("input", 0) + stated.get("output", 0):
            flags.append("total_differs")
    elif gap > 0:
        over = _outside(known, stated, gap)
        if over is not None:
            rest[over] += gap
            return
        for path, bucket in known.convention.rest:
            if not path or seen.get(path):
                rest[bucket] = rest.get(bucket, 0) + gap
                return
        for side, buckets in _SIDES:
            if side in known.buckets and not any(bucket in buckets for bucket in stated):
                rest[side] = gap
                flags.append(f"{side}_from_total")
                return
        flags.append("total_differs")


def _outside(known: Plan, stated: dict[str, int], gap: int) -> str | None:
    """The bucket whose number does not contain what it usually does, since the total is larger by just that."""
    for side, _ in _SIDES:
        parts = [bucket for bucket in stated if known.whole.get(bucket) == side and side in stated]
        if any(stated[bucket] == gap for bucket in parts):
            return side
        if sum(stated[bucket] for bucket in parts if bucket in _CACHES) == gap:
            return side
    return None


def _untangle(known: Plan, rest: dict[str, int], stated: dict[str, int], whole: str, flags: list[str]) -> None:
    """Settle a number whose parts exceed it, as far as something is certain."""
    number, missing = stated[whole], -rest[whole]
    parts = {bucket: own for bucket, own in rest.items() if whole in known.around[bucket] and own > 0}
    cached = sum(own for bucket, own in parts.items() if bucket in _CACHES)
    others = sum(own for bucket, own in parts.items() if bucket not in _CACHES)
    if cached <= number and others <= number:
        # Audio or images are among what was cached. Nothing says how much: text first, the rest of them.
        rest[whole] = 0
        _spill(rest, parts, missing)
        flags.append("cache_modality_assumed")
        return
    flags.append(_exceeds(whole))
    if whole in _CACHES:  # a split by lifetime, which is more exact
        del rest[whole]
    elif cached > number:
        written = sum(own for bucket, own in parts.items() if bucket in CACHE_WRITES)
        inside = max(written, cached - written)
        if inside > number:  # then it can't contain them
            inside = 0
        # What fits apart, but not together, was written and read back, and is billed as both.
        rest[whole] = max(number - inside - others, 0)
    else:
        fitting = {bucket: own for bucket, own in parts.items() if bucket not in _CACHES and own <= number}
        left = number - cached - sum(fitting.values())
        if left < 0:  # one of them is wrong, and only their sum is certain
            left = number - cached
            for bucket in fitting:
                del rest[bucket]
        rest[whole] = left  # what does not fit is outside


def _spill(rest: dict[str, int], parts: dict[str, int], missing: int) -> None:
    """Take `missing` tokens from those that were counted twice, as cached and as audio, image or video."""
    for bucket in parts:
        if missing <= 0:
            return
        twin = f"{bucket}_cache_read"
        if bucket in _CACHES or twin not in BUCKETS:
            continue
        both = min(missing, rest[bucket], rest.get("input_cache_read", 0))
        if both:
            rest[bucket] -= both
            rest["input_cache_read"] -= both
            rest[twin] = rest.get(twin, 0) + both
            missing -= both
    for bucket in parts:  # written to a cache: no bucket tells these apart
        if missing > 0 and bucket not in _CACHES:
            both = min(missing, rest[bucket])
            rest[bucket] -= both
            missing -= both
