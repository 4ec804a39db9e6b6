"""A usage object as it was reported, on its way to the journal: names and numbers only, and little of them.

One provider's objects have the same keys, call after call. For keys that were seen before there is a struct, a quarter
as large as the dicts would be, so that whoever keeps it until it is read (a budget does) keeps little; and to write it
takes a fifth less time.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

Json = dict[str, Any]

_LONGEST = 64
"""Characters of a name."""
_Word = Annotated[str, msgspec.Meta(max_length=_LONGEST, pattern=r"^\S*$")]
_Value = int | float | bool | _Word | None
"""A name or a number. It must not be in one union with dicts: where a pattern is, msgspec (0.19 to 0.22) frees a wrong
pointer with the struct, at the latest when the program exits."""
_NUMBERS = frozenset({int, float, bool})
_MOST = 64
"""Structs that are made: a server whose objects are never alike gains nothing, and costs no more."""

_shapes: dict[tuple[str, ...], type[msgspec.Struct] | None] = {}
"""Keys of objects that were seen, with the struct of such ones; None: they differ in what is inside."""


def reported(raw: Json) -> Any:
    """A copy of `raw`, which is written as it would be; None if it may hold more than names and numbers."""
    names = (*raw,)
    shape = _shapes.get(names)
    if shape is not None:
        try:
            return msgspec.convert(raw, shape)
        except msgspec.ValidationError:
            _shapes[names] = None
    found = _harmless(raw)
    if found is None:
        return None
    if names not in _shapes and len(_shapes) < _MOST:
        _shapes[names] = _struct(found)
    return found


def as_dict(found: Any) -> Json:
    """What `reported` gave, as a dict."""
    kept: Json = found if found.__class__ is dict else msgspec.to_builtins(found)
    return kept


def _harmless(raw: Json, *, deep: bool = True) -> Json | None:
    """A copy of `raw`, an object that is names and numbers; None if it is not, since a sentence might fit into it."""
    kept: Json = {}
    for name, value in raw.items():
        if name.__class__ is not str or len(name) > _LONGEST:
            return None
        kind = value.__class__
        if kind is dict:
            value = _harmless(value, deep=False) if deep else None  # noqa: PLW2901 - the copy stands for it
            if value is None:
                return None
        elif kind is str:
            if len(value) > _LONGEST or (value and value.split() != [value]):
                return None
        elif value is not None and kind not in _NUMBERS:
            return None
        kept[name] = value
    return kept


def _struct(raw: Json) -> type[msgspec.Struct] | None:
    """The struct of objects with the keys of `raw`; None if a key is no name of a field."""
    if not all(name.isidentifier() and not name.startswith("_") for name in raw):
        return None
    fields: list[tuple[str, Any]] = []
    for name, value in raw.items():
        if value.__class__ is dict:
            inner: Any = _struct(value)
            if inner is None:
                return None
        else:
            inner = int if value.__class__ is int else _Value  # what was a count is one again, and quicker to check
        fields.append((name, inner | None))
    try:
        return msgspec.defstruct("Reported", fields, forbid_unknown_fields=True, gc=False)
    except (TypeError, ValueError):  # a word of Python's
        return None
