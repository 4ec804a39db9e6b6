"""Reading usage objects of a shape that was seen before, at a third of the time.

One provider's objects have the same keys in the same order, call after call. For each such shape a function is made
that looks up what the convention's plan says of these keys, and nothing else. It answers only where all is plain, as
`_plainly` does, and alike; else None.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tollbook.usage._buckets import LARGEST
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


_NONE = "def shaped(raw): return None"


def _source(plan: Plan, top: dict[str, str], inner: dict[str, dict[str, str | None]]) -> str:
    whole = plan.whole
    variables = {bucket: f"v{n}" for n, bucket in enumerate(top.values())}
    stated = variables.get(TOTAL)
    contained = [bucket for names in inner.values() for bucket in names.values() if bucket]
    if any(bucket in whole and whole[bucket] not in variables for bucket in (*top.values(), *contained)):
        return _NONE  # a part without its whole
    if stated and any(bucket not in whole for bucket in contained):
        return _NONE  # a count that the stated total may have or not
    lines = ["def shaped(raw):", " found = {}"]
    for key, bucket in top.items():
        lines += _take(variables[bucket], f"raw[{key!r}]")
    outer = " + ".join(v for b, v in variables.items() if b != TOTAL and b not in whole) or "0"
    lines.append(f" whole = {outer}")
    lines.append(f" if whole >= {LARGEST}{f' or ({stated} and {stated} != whole)' if stated else ''}: return None")
    for key, names in inner.items():
        lines.append(f" d = raw[{key!r}]")
        if key in plan.root.measures:
            lines.append(" if d.__class__ is int or d.__class__ is float: return None")  # a charge of nothing
        lines.append(" if d:")
        lines.append(f"  if d.__class__ is not dict or not d.keys() <= known[{key!r}]: return None")
        measures = plan.root.groups[key].measures
        for name, counted in names.items():
            if name in measures:  # a charge of nothing is one, too
                lines.append(f"  if d.get({name!r}) is not None: return None")
                continue
            lines += _part(name, counted, variables.get(whole.get(counted or "", "")))
    lines += [f" {variables[whole[b]]} -= {v}" for b, v in variables.items() if b in whole]
    for bucket, variable in variables.items():
        if bucket in plan.split:
            lines.append(f" if {variable}: return None")
        elif bucket != TOTAL:
            lines += [f" if {variable}:", f"  if {variable} < 0: return None", f"  found[{bucket!r}] = {variable}"]
    lines.append(" return Usage(found) if found else None")
    return "\n".join(lines)


def _part(name: str, bucket: str | None, over: str | None) -> list[str]:
    """A count in an inner object, taken off the variable `over`."""
    if bucket is None:  # not known: nothing, or a matter for the general way
        return [f"  if d.get({name!r}): return None"]
    small = [] if over else [f"  if n >= {LARGEST}: return None"]  # else it is not more than its whole
    off = f"; {over} -= n" if over else ""
    return [*(f" {line}" for line in _take("n", f"d.get({name!r})")), *small, f"  if n: found[{bucket!r}] = n{off}"]


def _take(variable: str, value: str) -> list[str]:
    """A count: null is none; what is no plain whole number is not for here."""
    return [
        f" {variable} = {value}",
        f" if {variable}:",
        f"  if {variable}.__class__ is not int or {variable} < 0: return None",
        f" else: {variable} = 0",
    ]
