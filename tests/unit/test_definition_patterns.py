"""Patterns of model names match as Python's do, and none can hang."""

from __future__ import annotations

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollbook.pricing._pattern import LONGEST_NAME, LONGEST_PATTERN, MOST_STATES, Pattern

NAMES = ["", "gpt-4o", "GPT-4o-2024-08-06", "openai/gpt-4o", "a", "aab", "über-modell", "x y", "a\n", "K", "٣"]
PATTERNS = [
    r"(?i)^(gpt-4-0125-preview)$",
    r"(?i)^(openai/)?gpt-4o(-2024-(08-06|11-20))?$",
    r"gpt-4o.*",
    r"(?i:GPT)-4[oO]\S*",
    r".",
    r"[^a-f]+",
    r"[\w-]+",
    r"\d|\D",
    r"a{2,3}b?",
    r"(a|aa)+b??",
    r"(?P<name>a*)b",
    r"\w+\s\w+",
    r"\Aa\Z",
    r"a$\n?",
    r"(?s).*",
    r"(?x) gpt - 4 o  # a comment",
    r"[K-L]",
    r"(?i)k",
    r"(?a)\d",
    r"",
    r"()*",
    r"(?:)",
]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_matches_as_pythons_does(pattern: str) -> None:
    compiled = Pattern(pattern)
    for name in NAMES:
        assert compiled.matches(name) == bool(re.fullmatch(pattern, name)), name


def atoms() -> st.SearchStrategy[str]:
    return st.sampled_from(["a", "b", "-", ".", "[ab]", "[^a]", r"\d", "(?:)", "^", "$"])


def patterns() -> st.SearchStrategy[str]:
    def larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        sequence = st.lists(inner, max_size=4).map("".join)
        choice = st.lists(inner, min_size=2, max_size=3).map(lambda each: f"(?:{'|'.join(each)})")
        times = st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "{0,2}", "*?", "??"])
        return sequence | choice | st.builds(lambda each, how: f"(?:{each}){how}", inner, times)

    return st.recursive(atoms(), larger, max_leaves=8)


@given(patterns(), st.lists(st.text("ab-1\n", max_size=6), max_size=8))
def test_any_pattern_matches_as_pythons_does(pattern: str, names: list[str]) -> None:
    compiled = Pattern(pattern)
    for name in names:
        assert compiled.matches(name) == bool(re.fullmatch(pattern, name))


HOSTILE = [
    "(a+)+b",
    "(a|aa)*b",
    "(a|a|a)*b",
    "a?" * 200 + "a" * 100 + "b",
    "(.*)*" * 40 + "x",
    "((((a*)*)*)*)*b",
    ".*" * 200 + "x",
    "(a{0,9}){0,9}b",
    "(" * 100 + "a*" + ")*" * 100 + "b",
    "(?:){4294967294}",
]


@pytest.mark.parametrize("pattern", HOSTILE)
def test_a_hostile_pattern_takes_no_more_steps_than_states_times_characters(
    pattern: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted, not timed: Python's own matcher would need more than 2 to the power of 100."""
    compiled = Pattern(pattern)
    steps = 0

    def count(state: object, character: str) -> bool:
        nonlocal steps
        steps += 1
        return takes(state, character)  # type: ignore[arg-type]

    from tollbook.pricing import _pattern

    takes = _pattern._takes
    monkeypatch.setattr(_pattern, "_takes", count)
    assert not compiled.matches("a" * LONGEST_NAME + "!")
    compiled.matches("a" * LONGEST_NAME)
    assert steps <= len(compiled._states) * LONGEST_NAME
    assert len(compiled._states) <= MOST_STATES


REFUSED = [
    ("(", "regular expression"),
    ("*", "regular expression"),
    ("a" * (LONGEST_PATTERN + 1), "at most 512 characters"),
    ("(a{1,90}){1,90}", "steps"),
    ("((a?){0,65535}){0,65535}", "steps"),
    ("(){0,65535}", "steps"),
    ("(?=a)a", "looking"),
    ("(?<!a)b", "looking"),
    (r"(a)\1", "references"),
    (r"(a)?(?(1)b|c)", "conditions"),
    ("(?>a+)b", "atomic"),
    ("a++", "possessive"),
    (r"\ba", r"\b"),
    ("(?m)^a$", "flags"),
    ("a{99999999999}", "regular expression"),
]


@pytest.mark.parametrize(("pattern", "word"), REFUSED)
def test_what_is_refused_is_said(pattern: str, word: str) -> None:
    with pytest.raises(ValueError, match=r"^a regular expression") as raised:
        Pattern(pattern)
    assert word in str(raised.value)


@given(st.text(max_size=80), st.text(max_size=20))
def test_whatever_is_written_compiles_or_is_refused(pattern: str, name: str) -> None:
    with contextlib.suppress(ValueError):
        assert Pattern(pattern).matches(name) in {True, False}


def test_a_name_that_is_too_long_matches_nothing() -> None:
    assert Pattern(".*").matches("a" * LONGEST_NAME)
    assert not Pattern(".*").matches("a" * (LONGEST_NAME + 1))


@pytest.mark.parametrize("pattern", [*PATTERNS, "((a*)*)*b", "(a{1,9}){1,9}|.{9}", "x" * 300])
def test_examples_are_names_that_match_and_end(pattern: str) -> None:
    compiled = Pattern(pattern)
    found = compiled.examples(5)
    assert len(found) <= 5
    assert all(compiled.matches(name) for name in found)


def test_examples_spell_out_what_a_pattern_says_and_put_a_date_where_one_fits() -> None:
    assert Pattern(r"(?i)^(openai/)?GPT-4o(-mini)?$").examples(9) == [
        "openai/gpt-4o-mini",
        "openai/gpt-4o",
        "gpt-4o-mini",
        "gpt-4o",
    ]
    assert Pattern(r"gpt-4o-\d{4}-\d\d-\d\d").examples(9) == ["gpt-4o-2026-01-01"]
    assert Pattern(r"claude-x(-\d{8})?").examples(1) == ["claude-x-20260101"]
