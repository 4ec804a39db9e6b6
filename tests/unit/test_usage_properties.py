"""What holds of every usage object, whatever it says."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tollbook.usage import (
    BUCKETS,
    CONVENTIONS,
    INPUT_TOKENS,
    OUTPUT_TOKENS,
    TOKENS,
    Usage,
    merge,
    read,
    selectors,
    write,
)
from tollbook.usage._plan import plan
from tollbook.usage._read import _carefully, _plainly
from tollbook.usage._shape import learn

WRITABLE = sorted({convention.name for convention in CONVENTIONS.values() if convention.writable})
LIMIT = 1 << 35
"""Larger than any count, small enough that no sum leaves what a count may be."""


NAMES = st.sampled_from(sorted(CONVENTIONS))

COUNTS = st.sampled_from([0, 1, 2, 3, 5, 8, 10, 20, None])
"""So few and so small that many sums and differences of them meet."""

SCALARS = st.one_of(
    COUNTS,
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=80),
    st.sampled_from(["12", " 1.5", "1e999", "-3", "NaN", "TEXT", "AUDIO", "5m", "compaction", "SECONDS", "x-model"]),
)
WORDS = ["type", "model", "usage", "unit", "iterations", "input_tokens", "cost", "total_tokens", "anything"]
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4),
    max_leaves=8,
)


@cache
def _paths(name: str) -> list[str]:
    convention = CONVENTIONS[name]
    paths = [field.path for field in convention.fields]
    paths += convention.silent + tuple(rule.path for rule in convention.parts) + (convention.own_key or ())
    return sorted({*paths, *(selector.path for selector in convention.selectors), "unit", "type", "anything.else"})


def _objects(values: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    """Conventions, each with an object that has some of its words in their places."""
    return NAMES.flatmap(
        lambda name: st.lists(st.tuples(st.sampled_from(_paths(name)), values), max_size=8).map(
            lambda pairs: (name, _built(name, pairs))
        )
    )


def _built(name: str, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    raw: dict[str, Any] = {}
    for path, value in pairs:
        *above, key = [path] if CONVENTIONS[name].flat else path.split(".")
        place: Any = raw
        for word in above:
            listed, bracket, label = word.partition("[")
            if bracket:  # an item of a list, with the first of its labels
                named, _, labels = label.removesuffix("]").partition("=")
                place = place.setdefault(listed, [])
                if isinstance(place, list):
                    place.append({named: labels.partition("|")[0]} if labels else {})
                    place = place[-1]
            else:
                place = place.setdefault(word, {})
            if not isinstance(place, dict):
                break
        else:
            place.setdefault(key.partition("[")[0], value)
    return raw


@settings(deadline=None)
@given(_objects(SCALARS) | _objects(JSON) | st.tuples(NAMES, JSON))
def test_any_json_is_read_into_something_that_can_be_stored_or_into_nothing(call: tuple[str, Any]) -> None:
    convention, raw = call
    usage = read(convention, raw)
    selected = selectors(convention, raw)
    assert selected is None or all(isinstance(value, str) and 0 < len(value) <= 64 for value in selected.values())
    if usage is None:
        return
    for quantities in (usage.quantities, *(part.quantities for part in usage.parts)):
        assert set(quantities) <= set(BUCKETS)
        assert all(type(count) is int and count >= 0 for count in quantities.values())
    assert usage.charge is None or usage.charge >= 0
    for value in (usage.extra or {}).values():
        assert isinstance(value, (bool, int, float)) or (len(value) <= 64 and not any(c.isspace() for c in value))
    assert msgspec.json.decode(msgspec.json.encode(usage), type=Usage) == usage


@settings(max_examples=300, deadline=None)
@given(_objects(COUNTS) | _objects(SCALARS))
def test_all_ways_of_reading_give_the_same(call: tuple[str, dict[str, Any]]) -> None:
    convention, raw = call
    known = plan(convention)
    known.shapes.clear()
    learn(known, raw)
    if (shaped := known.shapes[*raw]) is not None and (usage := shaped(raw)) is not None:
        assert usage == _carefully(known, raw)
        assert usage.flags == ()
    plainly = _plainly(known, raw)
    if plainly is not None:
        assert plainly == _carefully(known, raw)
        assert plainly.flags == ()


MIXED_LIFETIMES = {"split_incomplete"}
"""What was written to a cache for a stated time, and what for an unstated one, can't be told from a wrong split."""


def _buckets(convention: str) -> list[str]:
    return sorted(set(plan(convention).buckets) & set(BUCKETS))


def _quantities(buckets: list[str]) -> st.SearchStrategy[dict[str, int]]:
    return st.dictionaries(st.sampled_from(buckets), st.integers(1, LIMIT))


@pytest.mark.parametrize("convention", WRITABLE)
@settings(deadline=None)
@given(data=st.data())
def test_what_is_written_is_read_as_the_same(convention: str, data: st.DataObject) -> None:
    buckets = [bucket for bucket in _buckets(convention) if plan(convention).buckets[bucket][0].scale == 1]
    quantities = data.draw(_quantities(buckets))
    raw = write(Usage(quantities), convention)
    usage = read(convention, raw)
    assert usage is not None
    assert {bucket: count for bucket, count in usage.quantities.items() if count} == quantities
    assert set(usage.flags) <= MIXED_LIFETIMES


@settings(deadline=None)
@given(first=st.sampled_from(WRITABLE), second=st.sampled_from(WRITABLE), data=st.data())
def test_quantities_survive_the_way_through_two_conventions(first: str, second: str, data: st.DataObject) -> None:
    both = sorted(set(_buckets(first)) & set(_buckets(second)) & TOKENS)
    quantities = data.draw(_quantities(both))
    once = read(first, write(Usage(quantities), first))
    assert once is not None
    twice = read(second, write(once, second))
    assert twice is not None
    assert {bucket: count for bucket, count in twice.quantities.items() if count} == quantities


@settings(deadline=None)
@given(convention=st.sampled_from(WRITABLE), quantities=_quantities(sorted(TOKENS)))
def test_totals_survive_a_convention_that_has_fewer_words(convention: str, quantities: dict[str, int]) -> None:
    usage = Usage(quantities)
    again = read(convention, write(usage, convention))
    assert again is not None
    assert (again.input_tokens, again.output_tokens) == (usage.input_tokens, usage.output_tokens)
    assert set(again.flags) <= MIXED_LIFETIMES


@settings(deadline=None)
@given(_quantities(sorted(TOKENS)))
def test_a_total_is_the_sum_of_its_parts(quantities: dict[str, int]) -> None:
    usage = Usage(quantities)
    assert usage.input_tokens + usage.output_tokens == usage.total_tokens == sum(quantities.values())
    assert usage.input_tokens == sum(count for bucket, count in quantities.items() if bucket in INPUT_TOKENS)
    assert usage.output_tokens == sum(count for bucket, count in quantities.items() if bucket in OUTPUT_TOKENS)


USAGE = st.fixed_dictionaries(
    {},
    optional={
        "a": COUNTS,
        "b": COUNTS,
        "details": st.none() | st.fixed_dictionaries({}, optional={"c": COUNTS, "d": COUNTS}),
        "list": st.none() | st.lists(st.integers()),
    },
)


@settings(deadline=None)
@given(USAGE)
def test_merging_an_object_with_itself_changes_nothing(raw: dict[str, Any]) -> None:
    assert merge(raw, raw) == raw
    assert merge({}, raw) == raw
    assert merge(raw, {}) == raw


@settings(deadline=None)
@given(USAGE, USAGE, USAGE)
def test_merging_in_any_grouping_is_the_same(a: dict[str, Any], b: dict[str, Any], c: dict[str, Any]) -> None:
    assert merge(merge(a, b), c) == merge(a, merge(b, c))


@settings(deadline=None)
@given(USAGE, USAGE)
def test_the_later_number_holds_unless_it_is_null(a: dict[str, Any], b: dict[str, Any]) -> None:
    merged = merge(a, b)
    for key in ("a", "b", "list"):
        later = b.get(key)
        assert merged.get(key) == (a.get(key) if later is None else later)


@settings(max_examples=300, deadline=None)
@given(_objects(COUNTS), st.data())
def test_a_shape_learned_from_one_object_reads_others_of_it_as_all_ways_do(
    call: tuple[str, dict[str, Any]], data: st.DataObject
) -> None:
    convention, raw = call
    known = plan(convention)
    known.shapes.clear()
    learn(known, raw)
    shaped = known.shapes[*raw]
    if shaped is None:
        return
    other = {
        key: {name: data.draw(COUNTS) for name in data.draw(st.permutations([*value, "new"]))}
        if isinstance(value, dict)
        else data.draw(COUNTS)
        for key, value in raw.items()
    }
    usage = shaped(other)
    if usage is not None:
        assert usage == _carefully(known, other)
