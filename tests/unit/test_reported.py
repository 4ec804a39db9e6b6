"""Usage objects on their way to the journal: a copy of names and numbers, however often their keys were seen."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollbook.spans import _reported
from tollbook.spans._reported import as_dict, reported


@pytest.fixture(autouse=True)
def nothing_seen() -> Iterator[None]:
    _reported._shapes.clear()
    yield
    _reported._shapes.clear()


NAMES = st.sampled_from(["input", "output", "cachedTokens", "a-b", "class", "__init__", "_x", "", "é", "x" * 64])
VALUES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text("ab:/_", max_size=8)
OBJECTS = st.dictionaries(NAMES, VALUES | st.dictionaries(NAMES, VALUES, max_size=3), max_size=4)


def exactly(value: Any) -> Any:
    """`value` with its types, since 1, 1.0 and True are equal."""
    if isinstance(value, dict):
        return {name: exactly(inner) for name, inner in value.items()}
    return type(value), value


@given(st.lists(OBJECTS, max_size=6))
def test_what_is_kept_is_what_was_reported_and_is_written_alike(objects: list[dict[str, Any]]) -> None:
    _reported._shapes.clear()
    for raw in [*objects, *objects]:
        kept = reported(raw)
        assert exactly(as_dict(kept)) == exactly(raw)
        assert exactly(msgspec.json.decode(msgspec.json.encode(kept))) == exactly(
            msgspec.json.decode(msgspec.json.encode(raw))
        )


def test_keys_that_were_seen_make_a_struct() -> None:
    raw = {"input": 1, "details": {"cached": 2, "audio": None}, "tier": "default"}
    assert [isinstance(reported(raw), msgspec.Struct) for _ in range(2)] == [False, True]


HARMLESS = {"input": 1, "tier": "default", "details": {"cached": 1, "kind": "a"}}


@pytest.mark.parametrize(
    "more",
    [
        {"tier": "a sentence"},
        {"tier": "x" * 65},
        {"input": "a sentence"},
        {"input": ["a"]},
        {"details": {"cached": 1, "kind": "a sentence"}},
        {"details": {"cached": 1, "kind": "a", "more": "a sentence"}},
        {"details": {"cached": 1, "kind": {"deeper": 1}}},
        {"details": ["a"]},
        {"details": object()},
    ],
)
@pytest.mark.parametrize("seen", [0, 1, 2])
def test_a_sentence_finds_no_room_however_often_its_keys_were_seen(more: dict[str, Any], seen: int) -> None:
    for _ in range(seen):
        assert reported(HARMLESS) is not None
    assert reported({**HARMLESS, **more}) is None
    assert as_dict(reported(HARMLESS)) == HARMLESS


@pytest.mark.parametrize("name", ["x" * 65, "a sentence" * 7])
def test_a_name_that_is_too_long_is_refused(name: str) -> None:
    assert reported({name: 1}) is None
    assert reported({"details": {name: 1}}) is None


@pytest.mark.parametrize(
    "other", [{"input": 1.5}, {"input": "many"}, {"details": None}, {"details": {"audio": 1}}, {"details": 7}]
)
def test_what_differs_inside_is_kept_as_it_is(other: dict[str, Any]) -> None:
    raw = {"input": 1, "details": {"cached": 2}}
    for each in (raw, {**raw, **other}, raw, {**raw, **other}):
        assert exactly(as_dict(reported(each))) == exactly(each)


def test_an_object_that_is_changed_afterwards_changes_nothing() -> None:
    raw = {"input": 1, "details": {"cached": 2}}
    kept = [reported(raw) for _ in range(3)]
    raw["input"] = 5
    raw["details"]["cached"] = 6  # type: ignore[index]
    assert [as_dict(each) for each in kept] == [{"input": 1, "details": {"cached": 2}}] * 3


def test_a_server_that_never_repeats_itself_is_not_remembered_without_end() -> None:
    for number in range(500):
        assert reported({f"key{number}": 1}) == {f"key{number}": 1}
    assert len(_reported._shapes) == _reported._MOST


def test_no_struct_is_freed_wrongly() -> None:
    """Where all memory is checked, a program that drops all its structs and collects them goes on."""
    code = """
import gc, sys
from tollbook.spans import _reported
kinds = {"tier": "default", "cost": 0.5, "n": 1, "none": None, "inner": {"a": 1, "b": "c"}, "empty": {}}
for raw in ({"a": 1}, {"a b": 1, "c": {"d": "e"}}, kinds, {"a": "a sentence"}, {"a": {"b": "a sentence"}}):
    for _ in range(3):
        _reported.reported(raw)
_reported._shapes.clear()
for module in [name for name in sys.modules if name.startswith("tollbook")]:
    vars(sys.modules.pop(module)).clear()
gc.collect()
"""
    checked = {"PYTHONDEVMODE": "1", "PYTHONMALLOC": "malloc", "MALLOC_PERTURB_": "165"}
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, **checked}, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
