"""Reading usage objects of a shape that was seen before, at a third of the time.

One provider's objects have the same keys in the same order, call after call. For each such shape a function is made
that looks up what the convention's plan says of these keys, and nothing else. It answers only where all is plain, as
`_plainly` does, and alike; else None.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tollbook.usage._collect import LARGEST
from tollbook.usage._convention import TOTAL
from tollbook.usage._plan import Plan
from tollbook.usage._usage import Usage

Shaped = Callable[[dict[Any, Any]], Usage | None]
_MOST = 64
"""Shapes that are kept for one convention: a server that never repeats one gains nothing and costs no more."""


def learn(plan: Plan, raw: dict[Any, Any]) -> None:
    """Make the function for the shape of `raw`, or note that it is not plain."""
    if len(plan.shapes) < _MOST:
        plan.shapes[*raw] = _function(plan, raw)


def _function(plan: Plan, raw: dict[Any, Any]) -> Shaped | None:
    root = plan.root
    top: dict[str, str] = {}
    inner: dict[str, dict[str, str | None]] = {}
    known: dict[str, frozenset[str]] = {}
    for key, value in raw.items():
        if key in root.plain:
            top[key] = root.plain[key]
        elif key in root.groups and (value is None or value.__class__ is dict):
            group = root.groups[key]
            known[key] = frozenset(value or ())
            inner[key] = {name: group.plain.get(name) for name in value or () if name not in group.silent}
        elif key not in root.silent:
            return None
    buckets = [*top.values(), *(bucket for names in inner.values() for bucket in names.values() if bucket)]
    if len(set(buckets)) != len(buckets):
        return None
    made: dict[str, Any] = {"Usage": Usage, "known": known}
    exec(_source(plan, top, inner), made)  # noqa: S102 - built from names of ours alone
    shaped: Shaped = made["shaped"]
    return shaped


def _source(plan: Plan, top: dict[str, str], inner: dict[str, dict[str, str | None]]) -> str:
    whole = plan.whole
    variables = {bucket: f"v{n}" for n, bucket in enumerate(top.values())}
    lines = ["def shaped(raw):", " found = {}"]
    for key, bucket in top.items():
        lines += _take(variables[bucket], f"raw[{key!r}]")
    outer = [v for b, v in variables.items() if b != TOTAL and b not in whole]
    if TOTAL in variables:
        stated = variables[TOTAL]
        lines.append(f" if {stated} and {stated} != {' + '.join(outer) or '0'}: return None")
    for key, names in inner.items():
        lines += [
            f" d = raw[{key!r}]",
            " if d:",
            f"  if d.__class__ is not dict or not d.keys() <= known[{key!r}]: return None",
        ]
        for name, bucket in names.items():
            if bucket is None:  # not known: nothing, or a matter for the general way
                lines.append(f"  if d.get({name!r}): return None")
                continue
            over = whole.get(bucket)
            if over is not None and over not in variables:
                return "def shaped(raw): return None"
            lines += [f" {line}" for line in _take("n", f"d.get({name!r})")]
            lines.append(f"  if n: found[{bucket!r}] = n" + ("" if over is None else f"; {variables[over]} -= n"))
            if over is None and TOTAL in variables:
                return "def shaped(raw): return None"  # such a count is in the stated total, too
    for bucket, variable in variables.items():
        over = whole.get(bucket)
        if over is not None:
            if over not in variables:
                return "def shaped(raw): return None"
            lines.append(f" {variables[over]} -= {variable}")
    for bucket, variable in variables.items():
        if bucket in plan.split:
            lines.append(f" if {variable}: return None")
        elif bucket != TOTAL:
            lines += [f" if {variable}:", f"  if {variable} < 0: return None", f"  found[{bucket!r}] = {variable}"]
    lines.append(" return Usage(found) if found else None")
    return "\n".join(lines)


def _take(variable: str, value: str) -> list[str]:
    """A count: null is none; what is no plain whole number is not for here."""
    return [
        f" {variable} = {value}",
        f" if {variable}:",
        f"  if {variable}.__class__ is not int or not 0 < {variable} < {LARGEST}: return None",
        f" else: {variable} = 0",
    ]
