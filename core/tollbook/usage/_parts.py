"""Parts: what other models, or other passes of the same one, used inside one response."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tollbook.usage._buckets import TOKENS
from tollbook.usage._collect import Seen
from tollbook.usage._convention import Parts
from tollbook.usage._plan import at
from tollbook.usage._usage import Part, Usage

_LONGEST = 128
"""Characters of a model's name."""


def add_parts(usage: Usage, rule: Parts, raw: Any, reader: Callable[[str, Any], Usage | None]) -> None:
    """Add to `usage` the parts that `rule` finds in `raw`, each read by `reader`."""
    said = at(raw, rule.path)
    entries = said if said.__class__ is list else [said]
    parts: list[Part] = []
    inner: list[Part] = []  # inside the totals
    for entry in entries:
        counted = entry if rule.usage is None else at(entry, rule.usage)
        kind_of = counted.__class__
        found = reader(rule.convention, counted) if kind_of is dict else None
        if found is None or not any(found.quantities.values()):
            continue
        kind = _kind(rule, at(entry, "type"))
        model = at(entry, "model")
        part = Part(kind or "", found.quantities, model if _is_name(model) else rule.model)
        if kind is None:
            _flag(usage, "unknown_part")
            _keep(usage, f"{rule.path}[unknown]", found.quantities)
        elif rule.inside or kind in {"", rule.serves}:
            inner.append(part)
        else:
            parts.append(part)
        for flag in found.flags:
            _flag(usage, flag)
    if rule.inside:
        _replace(usage, inner)
    elif rule.serves is not None:
        _answered(usage, rule.serves, inner)
    usage.parts += tuple(parts)


def _kind(rule: Parts, named: Any) -> str | None:
    """What an entry is as a part; None: nobody knows."""
    if rule.kind is not None:
        return rule.kind
    if named == rule.serves:
        return rule.serves
    return next((kind for name, kind in rule.kinds if name == named), None)


def _is_name(model: Any) -> bool:
    return isinstance(model, str) and 0 < len(model) <= _LONGEST


def _replace(usage: Usage, parts: list[Part]) -> None:
    """The totals are the sum of the parts: price these instead."""
    if not parts:
        return
    if _both(parts) != (usage.input_tokens, usage.output_tokens):
        _flag(usage, "parts_differ")
        return
    usage.quantities = {bucket: count for bucket, count in usage.quantities.items() if bucket not in TOKENS}
    usage.parts += tuple(parts)


def _answered(usage: Usage, serves: str, inner: list[Part]) -> None:
    """If another model answered, the totals are its own, less what the models before it, who declined, had used."""
    model = next((part.model for part in inner if part.kind == serves), None)
    if model is None:
        return
    tokens = {bucket: count for bucket, count in usage.quantities.items() if bucket in TOKENS and count}
    declined = [part for part in inner if part.model not in {None, model}]
    if declined:
        _flag(usage, "declined_fallback")
        for part in declined:
            _keep(usage, f"declined[{part.model}]", part.quantities)
        if _both(inner) == _both([Part("", tokens)]):  # not billed, and yet inside the totals
            for part in declined:
                for bucket, count in part.quantities.items():
                    tokens[bucket] = max(0, tokens.get(bucket, 0) - count)
    usage.quantities = {bucket: count for bucket, count in usage.quantities.items() if bucket not in TOKENS}
    usage.parts += (Part("fallback", {bucket: count for bucket, count in tokens.items() if count}, model),)


def _both(parts: list[Part]) -> tuple[int, int]:
    """Tokens sent and generated, in all of `parts`."""
    sums = Usage({}, parts=tuple(parts))
    return sums.input_tokens, sums.output_tokens


def _keep(usage: Usage, path: str, quantities: dict[str, int]) -> None:
    seen = Seen()
    seen.keep(path, quantities)
    usage.extra = {**(usage.extra or {}), **seen.extra}


def _flag(usage: Usage, flag: str) -> None:
    if flag not in usage.flags:
        usage.flags += (flag,)
