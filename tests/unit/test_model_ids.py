"""Which price list entry a model's id means: a table of real ids, and that nothing but a rule prices a name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollbook.pricing import _genai as listed
from tollbook.pricing import card
from tollbook.pricing._listed import types as genai
from tollbook.pricing._names import moves
from tollbook.pricing._places import overlay

TODAY = 1_795_262_400 * 10**9  # 2026-11-21T12:00Z

TABLE = [
    line.split("\t")
    for line in (Path(__file__).parent / "model_ids.tsv").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]


def test_the_table_is_large_and_says_each_id_once() -> None:
    """At least 150 ids, none of them twice."""
    ids = [(provider, model) for provider, model, _ in TABLE]
    assert len(ids) == len(set(ids)) >= 150


@pytest.mark.parametrize(("provider", "model", "entry"), TABLE)
def test_an_id_means_one_entry_or_none(provider: str, model: str, entry: str) -> None:
    """Every id of the table is priced as the entry that it stands for, or not at all."""
    found = card(provider, model, TODAY)
    assert (f"{found.provider} {found.model}" if found else "unpriced") == entry


def literals(clause: genai.MatchLogic) -> set[str]:
    """The names that a price list spells out."""
    if isinstance(clause, genai.ClauseOr):
        return set().union(*(literals(each) for each in clause.or_))
    if isinstance(clause, genai.ClauseEquals):
        return {clause.equals.lower()}
    return set()


def patterns(clause: genai.MatchLogic) -> set[str]:
    """The names that a price list gives as regular expressions, which are rules of its own."""
    if isinstance(clause, genai.ClauseOr):
        return set().union(*(patterns(each) for each in clause.or_))
    return {clause.regex} if isinstance(clause, genai.ClauseRegex) else set()


MAIN = ("openai", "anthropic", "google", "mistral", "x-ai", "deepseek", "groq", "openrouter", "together", "cohere")
NAMES = {name: set().union(*(literals(info.match) for info in listed._LISTS[name].models)) for name in MAIN}
PATTERNS = {name: set().union(*(patterns(info.match) for info in listed._LISTS[name].models)) for name in MAIN}
PRICED = sorted((name, model) for name in MAIN for model in NAMES[name] if card(name, model, TODAY))

SAME = re.compile(r"[-@:.]?(?:latest|preview|exp|default|v?\d[\dk:.-]*)|\.ft-\w+|(?:-preview)?-\d\d-?\d\d")
"""What any rule may take off the end of a name: marks of a version, a date, a snapshot. No rule takes a word off."""

edges = st.text("abxz0129-.:/@_ ~\u200b\u0430", min_size=1, max_size=4)


@given(st.sampled_from(PRICED), edges, st.booleans())
def test_adding_to_a_priced_name_prices_nothing_but_by_a_rule(name: tuple[str, str], more: str, before: bool) -> None:
    """A priced id with characters before or after it is no model, unless the list or a rule has that very name."""
    provider, model = name
    changed = more + model if before else model + more
    if card(provider, changed, TODAY) is not None:
        assert not before or changed.lower() in NAMES[provider] or by_pattern(provider, changed), changed
        assert before or changed.lower() in NAMES[provider] or SAME.fullmatch(more) or by_pattern(provider, changed)


@given(st.sampled_from(PRICED), st.data())
def test_taking_from_a_priced_name_prices_nothing_but_by_a_rule(name: tuple[str, str], data: st.DataObject) -> None:
    """A priced id with a character less is no model, unless the list or a rule has that very name."""
    provider, model = name
    at = data.draw(st.integers(0, len(model) - 1))
    changed = model[:at] + model[at + 1 :]
    if card(provider, changed, TODAY) is not None:
        listed_name = any(
            changed.startswith(known) and SAME.fullmatch(changed[len(known) :]) for known in NAMES[provider]
        )
        assert changed in NAMES[provider] or listed_name or by_pattern(provider, changed), changed


def by_pattern(provider: str, name: str) -> bool:
    """Whether the price list itself, or a definition of ours, has a pattern for `name`."""
    ours = (each for each in overlay().definitions if not each.adjusts and provider in each.providers)
    return any(re.search(pattern, name.lower()) for pattern in PATTERNS[provider]) or any(
        each.pattern.matches(name.lower()) for each in ours
    )


@pytest.mark.parametrize(
    ("alias", "moving"),
    [
        ("claude-3-5-sonnet-latest", False),
        ("gpt-5-chat-latest", False),
        ("grok-4-latest", False),
        ("gemini-2.5-flash-latest", False),
        ("gemini-flash-latest", True),
        ("mistral-large-latest", True),
        ("ministral-8b-latest", True),
        ("gpt-4o", False),
    ],
)
def test_an_alias_that_names_no_version_moves(alias: str, moving: bool) -> None:
    """`-latest` after a version stays with that version; without one it means another model from time to time."""
    assert moves(alias) is moving


def test_a_moving_alias_is_priced_as_what_it_means_today_and_says_so() -> None:
    """Only where no response named the model; the note makes the cost an estimate."""
    found = card("gcp.gemini", "gemini-flash-latest", TODAY)
    assert found is not None
    assert found.assumptions == ("gemini-flash-latest priced as gemini-3.8-flash, which it means today",)
    still = card("anthropic", "claude-3-5-sonnet-latest", TODAY)
    assert still is not None
    assert not still.assumptions
