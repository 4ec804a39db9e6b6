"""Plans: conventions compiled, each when it is first used, into lookups by key."""

from __future__ import annotations

from typing import Any

from tollbook.usage._buckets import TOKENS
from tollbook.usage._convention import TOTAL, Convention, Field, Parts


class Table:
    """What a list of a usage object counts: items by a label."""

    __slots__ = ("key", "rows", "value")

    def __init__(self, key: str | None, value: str | None) -> None:
        self.key = key
        """The key of an item's label; None: the item is its own label. Empty: items have none."""
        self.value = value
        """The key of an item's number; None: each item counts one."""
        self.rows: dict[str, str | None] = {}
        """Label, in lower case, to the path of its field; None: known, and counts nothing."""


class Node:
    """What the keys of one object inside a usage object are."""

    __slots__ = ("apart", "counts", "groups", "lists", "measures", "plain", "prefix", "same", "silent")

    def __init__(self, prefix: str = "") -> None:
        self.prefix = prefix
        """What precedes a key in a path."""
        self.plain: dict[str, str] = {}
        """Keys of the numbers that need no more than to be put into a bucket, with the bucket: what a stated total
        counts, and at most one other number contains."""
        self.same: dict[str, str] = {}
        """Keys of numbers that should be the same as another one in a bucket, with the bucket."""
        self.counts: dict[str, str] = {}
        """Keys of all numbers with a scale of 1, with their paths."""
        self.measures: dict[str, Field] = {}
        """Keys of all other numbers."""
        self.groups: dict[str, Node] = {}
        self.lists: dict[str, Table] = {}
        self.silent: set[str] = set()
        """Keys that are known and count nothing."""
        self.apart: set[str] = set()
        """Keys that have rules of their own."""

    def group(self, key: str) -> Node:
        """What is under `key`, made if it is not there."""
        found = self.groups.get(key)
        if found is None:
            found = self.groups[key] = Node(f"{self.prefix}{key}.")
        return found


class Plan:
    """A convention, ready to read."""

    __slots__ = (
        "around",
        "buckets",
        "convention",
        "fields",
        "order",
        "parts",
        "root",
        "selecting",
        "shapes",
        "split",
        "whole",
    )

    def __init__(self, convention: Convention) -> None:
        self.convention = convention
        self.shapes: dict[tuple[Any, ...], Any] = {}
        """Keys of objects that were read, to the function that reads such ones; None: they take more."""
        self.root = Node()
        self.fields: dict[str, tuple[int, Field]] = {}
        """Each field by its path, with its rank: of the fields of one bucket, the lowest holds."""
        self.buckets: dict[str, list[Field]] = {}
        """Each bucket's fields, the one that holds first."""
        for rank, field in enumerate(convention.fields):
            self.fields[field.path] = rank, field
            self.buckets.setdefault(field.bucket, []).append(field)
        self.around: dict[str, tuple[str, ...]] = {name: self._around(name) for name in self.buckets}
        """Each bucket with all that contain it, directly or not."""
        self.order = sorted((name for name, over in self.around.items() if over), key=lambda b: -len(self.around[b]))
        """Buckets that others contain, those that contain nothing first."""
        self.whole = {name: over[0] for name, over in self.around.items() if len(over) == 1}
        """The buckets that are contained in one other, with it."""
        self.split: dict[str, tuple[str, ...]] = {}
        for bucket, path in convention.split:
            self.split[bucket] = (*self.split.get(bucket, ()), path)
        self.parts: list[tuple[str, Parts]] = [(rule.path.partition(".")[0], rule) for rule in convention.parts]
        """Rules of parts, with the key to look for."""
        for field in convention.fields:
            self._place(field)
        self.selecting = frozenset(selector.path.partition(".")[0] for selector in convention.selectors)
        """Keys that may hold what selects the price."""
        for path in (*convention.silent, *(selector.path for selector in convention.selectors)):
            self._silence(path)
        apart = [rule.path for rule in convention.parts]
        apart += convention.own_key or ()
        apart += (convention.unit,) if convention.unit else ()
        for path in apart:
            node, key = self._parent(path)
            node.apart.add(key)

    def _around(self, bucket: str) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for field in self.buckets.get(bucket, ())[:1]:
            for over in field.inside:
                found[over] = None
                found.update(dict.fromkeys(self._around(over)))
        return tuple(found)

    def _parent(self, path: str) -> tuple[Node, str]:
        """The node that the last key of `path` is in, and that key."""
        if self.convention.flat:
            return self.root, path
        *above, key = path.split(".")
        node = self.root
        for name in above:
            node = node.group(name)
        return node, key

    def _list(self, path: str) -> tuple[Table, list[str]] | None:
        """The table that `path` is in, and the labels of its rows; None: it is in no list."""
        name, bracket, rest = path.partition("[")
        if not bracket:
            return None
        label, _, value = rest.partition("]")
        key, equals, labels = label.partition("=")
        if label and not equals:
            labels = label
        node, name = self._parent(name)
        table = Table(key if equals or not label else None, value.removeprefix(".") or None)
        return node.lists.setdefault(name, table), labels.lower().split("|")

    def _place(self, field: Field) -> None:
        if found := self._list(field.path):
            table, labels = found
            table.rows.update(dict.fromkeys(labels, field.path))
            return
        node, key = self._parent(field.path)
        if field.scale != 1:
            node.measures[key] = field
            return
        node.counts[key] = field.path
        summed = field.bucket in TOKENS or TOTAL not in self.buckets or field.bucket == TOTAL
        if summed and len(self.around[field.bucket]) <= 1 and not field.adds:
            first = self.buckets[field.bucket][0] is field
            (node.plain if first else node.same)[key] = field.bucket

    def _silence(self, path: str) -> None:
        if found := self._list(path):
            table, labels = found
            table.rows.update(dict.fromkeys(labels))
        else:
            node, key = self._parent(path)
            if key not in node.counts and key not in node.measures:
                node.silent.add(key)


_plans: dict[str, Plan] = {}


def plan(convention: str) -> Plan:
    """The plan of `convention`.

    Raises:
        ValueError: There is no such convention.
    """
    found = _plans.get(convention)
    if found is None:
        from tollbook.usage._conventions import CONVENTIONS  # late: most programs start without a call

        known = CONVENTIONS.get(convention)
        if known is None:
            raise ValueError(f"no convention {convention!r}; there are {', '.join(sorted(CONVENTIONS))}")
        found = _plans[convention] = Plan(known)
    return found


def at(raw: Any, path: str) -> Any:
    """What is at `path`, keys joined by dots, in `raw`; None if nothing is."""
    value = raw
    for key in path.split("."):
        kind = value.__class__
        if kind is not dict:
            return None
        value = value.get(key)
    return value
