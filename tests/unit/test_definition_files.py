"""Files of definitions: where they are, what is wrong in them, and that the rest of them holds."""

from __future__ import annotations

import json
import logging
import os
import tomllib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.prices import at, fresh, problems, usd, use

import tollbook
from tollbook.pricing import Problem, check, definition_errors, definitions, reload_definitions, tokenizer_of
from tollbook.pricing._read import LARGEST_FILE, read

GOOD = '[[model]]\nname = "good"\nprice = { input = 1 }\n'


@pytest.fixture(autouse=True)
def _fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A user with empty directories."""
    monkeypatch.chdir(tmp_path)
    with fresh():
        yield


def names() -> list[str]:
    return [definition.name for _, definition in definitions("user")]


ALL = "multiply = { all = 2 }"
TIER, VARIANT, WINDOW, ROW = (f"[[model.{name}]]" for name in ("tier", "variant", "window", "price_row"))
WRONG = [
    ('match_pattern = "("', 'prices.toml:3: "x", match_pattern: expected a regular expression (missing )'),
    (
        'price = { input = "much" }',
        'prices.toml:3: "x", price.input: expected a number from 0 to 9,000,000, found "much"',
    ),
    ("price = { input = -1 }", "price.input: expected a number from 0 to 9,000,000, found -1"),
    ("price = { input = nan }", "price.input: expected a number"),
    ("price = { input = 1e999999999 }", "price.input: expected a number"),
    ("price = { input = 1e-999999999 }", "price.input: expected a number of at most 18 digits"),
    ("price = { input = true }", "price.input: expected a number"),
    ("price = { inptu = 1 }", "price.inptu: there is no such field; did you mean input?"),
    ("price = 5", 'prices.toml:3: "x", price: expected a table, found 5'),
    ("adjusts = false", "price: expected at least one price, or `adjusts = true`"),
    ("price = { per = 0, input = 1 }", "price.per: expected a whole number from 1 to"),
    ("price = { input = 1, total = 2 }", "price.total: expected no second price for what input is the price of"),
    ("price = { cache_read = { input = 1, output = 1 } }", "price.cache_read: expected a number, or how many times"),
    ('unit = "PARSECS"', "unit: expected one of TOKENS, CHARACTERS"),
    ('unit = "PAGES"\nprice = { output = 1 }', "price.output: there is no such field"),
    ("prices = { input = 1 }", 'prices.toml:3: "x", prices: there is no such field; did you mean price?'),
    ('start_time = "soon"', "start_time: expected a time such as"),
    ("start_time = 2026-01-02\nend_time = 2026-01-01", "end_time: expected a time after start_time"),
    ('checked = "yesterday"', "checked: expected a date"),
    ("provider = [1]", "provider: expected a text or a list of texts"),
    ('tokenizer = { id = "openai", tokens = 3 }', "tokenizer.tokens: there is no such field"),
    (f'{ROW}\nusage = "smiles"\nprice = 1', "price_row[0].usage: expected one of input"),
    (f'{ROW}\nusage = "pages"\nunit = "CALLS"\nprice = 1', "price_row[0].unit: expected the unit of pages, PAGES"),
    (f"{TIER}\n{ALL}", "tier[0].when: expected { input_tokens"),
    (
        f"{TIER}\nwhen = {{ input_tokens = {{ gt = 1, gte = 2 }} }}\n{ALL}",
        "when.input_tokens: expected either gt or gte",
    ),
    (f"{TIER}\nwhen = {{ input_tokens = {{ lt = 1 }} }}\n{ALL}", "tier[0].when.input_tokens.lt: there is no such"),
    (f"{VARIANT}\n{ALL}", "variant[0].when: expected a condition"),
    (f'{VARIANT}\nwhen = {{ service_tier = "default" }}\n{ALL}', "when.service_tier: expected one or more values"),
    (f'{VARIANT}\nwhen = {{ region = "us" }}', "variant[0]: expected price, price_row or multiply"),
    (f"{VARIANT}\nmultiply = {{ tokens = 2 }}", "variant[0].multiply.tokens: there is no such field"),
    (f'{WINDOW}\nutc = "25:00-26:00"\n{ALL}', 'prices.toml:4: "x", window[0].utc: expected a time of day'),
    (f'{WINDOW}\nutc = "20:00-24:00"\ndays = ["someday"]\n{ALL}', "window[0].days: expected some of mon"),
]


@pytest.mark.parametrize(("text", "expected"), WRONG)
def test_a_problem_names_file_line_definition_field_and_what_was_expected(text: str, expected: str) -> None:
    found = problems(f'[[model]]\nname = "x"\n{text}')
    assert any(expected in problem for problem in found), found


def test_a_definition_needs_a_name() -> None:
    assert problems("[[model]]\nprice = { input = 1 }") == ["prices.toml:1: name: expected a text: the model's name"]


def test_a_problem_is_found_in_its_line() -> None:
    text = f"""# prices
{GOOD}
[[model]]
name = "bad"
match_pattern = 'bad'

  [model.price]
  per = 1_000_000
  input = 1

  [[model.variant]]
  when = {{ region = "us" }}
  multiply = {{ input = 2 }}

  [[model.variant]]
  when = {{ region = "eu" }}
  multiply = {{ input = -2 }}

{GOOD.replace("good", "last")}"""
    assert [problem.split(" expected")[0] for problem in problems(text)] == [
        'prices.toml:20: "bad", variant[1].multiply.input:'
    ]


def test_one_broken_definition_leaves_the_rest_of_the_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "tollbook-prices.toml"
    path.write_text(f'{GOOD}[[model]]\nname = "bad"\nprice = {{ input = "?" }}\n{GOOD.replace("good", "last")}')
    with caplog.at_level(logging.WARNING, "tollbook"):
        assert usd("good", {"input": 1}) == Decimal(1)
        assert usd("last", {"input": 1}) == Decimal(1)
    assert names() == ["good", "last"]
    (problem,) = definition_errors()
    assert (problem.file, problem.line, problem.definition, problem.field) == (str(path), 6, "bad", "price.input")
    assert len(caplog.messages) == 1  # once, however many calls are priced
    assert str(problem) in caplog.messages[0]
    assert check(path) == [problem]


BROKEN = [
    (b"[[model]\n", ".toml", "expected TOML"),
    (b'{"model": [', ".json", "expected JSON"),
    (b"\xff\xfe", ".toml", "expected TOML"),
    (b"[" * 100_000, ".json", "expected JSON"),
    (b"schema = 2\n", ".toml", "expected 1"),
    (b'currency = "EUR"\n', ".toml", "expected USD"),
    (b"", ".toml", "expected at least one [[model]]"),
    (b"5", ".json", "expected a table"),
    (b"[5]", ".json", "expected a table"),
    (b'{"model": [], "modle": 1}', ".json", "there is no such field"),
    (b"#" * (LARGEST_FILE + 1), ".toml", "at most 4,000,000 bytes"),
]


@pytest.mark.parametrize(("content", "ending", "expected"), BROKEN)
def test_a_file_that_is_broken_as_a_whole_is_one_problem(
    content: bytes, ending: str, expected: str, tmp_path: Path
) -> None:
    path = tmp_path / f"p{ending}"
    path.write_bytes(content)
    (problem,) = check(path)
    assert expected in problem.expected
    assert problem.file == str(path)


def test_a_syntax_error_is_found_in_its_line(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text(f"{GOOD}\nprice = = 5\n")
    assert [problem.line for problem in check(path)] == [5]


def test_a_file_that_is_not_there_is_a_problem_and_raises_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOLLBOOK_PRICES", str(tmp_path / "none.toml"))
    assert usd("gpt-4o", {"input": 1_000_000}, provider="openai") == Decimal("2.5")
    assert [problem.expected for problem in definition_errors()] == ["can't be read: No such file or directory"]


def test_a_second_definition_of_the_same_time_is_reported_and_holds(tmp_path: Path) -> None:
    text = GOOD + GOOD.replace("input = 1", "input = 2")
    assert problems(text) == [
        'prices.toml:4: "good": a second definition of the same name, pattern and start_time, '
        "in place of the one in line 1"
    ]
    (tmp_path / "tollbook-prices.toml").write_text(text)
    assert usd("good", {"input": 1}) == Decimal(2)


def test_all_places_are_read_and_the_nearer_one_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(path: Path, price: int, name: str) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        each = {"name": "m", "price": {"input": price}}, {"name": name, "price": {"input": price}}
        path.write_text(json.dumps({"schema": 1, "model": each}))
        return path

    home = tmp_path / "home" / "tollbook"
    monkeypatch.setattr("platformdirs.user_config_path", lambda *_args, **_kwargs: home)
    write(home / "prices.json", 1, "of-user")
    assert usd("m", {"input": 1}) == Decimal(1)
    write(tmp_path / "tollbook-prices.json", 2, "of-project")
    assert usd("m", {"input": 1}) == Decimal(1)  # read once
    reload_definitions()
    assert usd("m", {"input": 1}) == Decimal(2)
    both = [str(write(tmp_path / f"{n}.json", n, f"of-{n}")) for n in (3, 4)]
    monkeypatch.setenv("TOLLBOOK_PRICES", os.pathsep.join(both))
    reload_definitions()
    assert usd("m", {"input": 1}) == Decimal(4)
    tollbook.add_prices({"name": "m", "price": {"input": 5}})
    assert usd("m", {"input": 1}) == Decimal(5)
    assert {"of-user", "of-project", "of-3", "of-4"} < set(names())
    assert definition_errors() == []


def test_prices_are_added_as_file_table_list_or_one(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text(GOOD)
    tollbook.add_prices(str(path))
    tollbook.add_prices({"schema": 1, "model": [{"name": "a", "price": {"input": 0.1}}]})
    tollbook.add_prices([{"name": "b", "price": {"input": "0.1"}}, {"name": "c", "price": {"input": Decimal("0.1")}}])
    assert names() == ["good", "a", "b", "c"]
    for name in "abc":
        assert usd(name, {"input": 3}) == Decimal("0.3")


def test_what_is_wrong_in_added_prices_is_raised_and_nothing_of_it_is_added() -> None:
    with pytest.raises(ValueError, match=r'add_prices: "b", price\.input: expected a number') as raised:
        tollbook.add_prices([{"name": "a", "price": {"input": 1}}, {"name": "b", "price": {"input": []}}])
    assert "a list" in str(raised.value)
    assert names() == []


DEEP = ".".join(["note"] * 900)
"""Newer Pythons take no more than 1,000 at once."""


@pytest.mark.parametrize(
    ("name", "broken", "wrong"),
    [
        (
            "p.toml",
            f'[[model]]\nname = "x"\nprice.input = 1\n[model.{DEEP}]\n{DEEP} = 1',
            "table",  # that is nested too deeply, or, in newer Pythons, is where a text should be
        ),
        (
            "p.toml",
            '[[model]]\nname = "x"\nprice = { input = 1e9999999999999999999 }',
            "price.input: expected a number",
        ),
        ("p.json", r'{"name": "\ud800", "price": {"input": 1}}', "expected texts"),
        ("p.json", '{"name": "x", "price": {"input": 1e9999999999999999999}}', "price.input: expected a number"),
    ],
)
def test_what_nothing_can_read_does_not_switch_off_the_rest(
    name: str, broken: str, wrong: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = '{"name": "good", "price": {"input": 1}}' if name.endswith("json") else GOOD
    (tmp_path / name).write_text(f"[{broken}, {good}]" if name.endswith("json") else f"{broken}\n{good}")
    monkeypatch.setenv("TOLLBOOK_PRICES", name)
    reload_definitions()
    assert names() == ["good"]
    assert usd("gpt-4o", {"input": 1_000_000}, provider="openai") == Decimal("2.5")
    assert [wrong in str(each) for each in definition_errors()] == [True]


def test_of_a_definition_with_countless_problems_the_first_are_told(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text('[[model]]\nname = "x"\n' + "".join(f"k{n} = 1\n" for n in range(5000)))
    found = check(path)
    assert len(found) == 21
    assert str(found[-1]).endswith("... and 4,980 more problems")


def test_a_home_that_can_t_be_looked_into_has_no_definitions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As that of another user, under whose name a service was started; a name too long is closed to root as well."""
    for variable in ("XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / ("x" * 5000)))
    reload_definitions()
    assert usd("gpt-4o", {"input": 1_000_000}, provider="openai") == Decimal("2.5")
    assert definition_errors() == []


@pytest.mark.parametrize("named", ["~nobody-has-this-name/p.toml", "gone.toml"])
def test_a_place_that_can_t_be_found_is_a_problem_and_no_more(
    named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    monkeypatch.setenv("TOLLBOOK_PRICES", named)
    try:
        reload_definitions()
        assert usd("gpt-4o", {"input": 1_000_000}, provider="openai") == Decimal("2.5")
        assert [each.file for each in definition_errors()] == [named]
    finally:
        monkeypatch.chdir(tmp_path)


LANGFUSE = {
    "id": "clx",
    "projectId": None,
    "createdAt": "2026-10-01T00:00:00.000Z",
    "isLangfuseManaged": False,
    "modelName": "my-gpt",
    "matchPattern": "(?i)^(my-gpt)$",
    "startDate": "2026-10-01T00:00:00.000Z",
    "unit": "TOKENS",
    "inputPrice": 0.0000025,
    "outputPrice": 0.00001,
    "totalPrice": None,
    "tokenizerId": "openai",
    "tokenizerConfig": {"tokenizerModel": "gpt-3.5-turbo", "tokensPerName": -1, "tokensPerMessage": 4},
    "prices": {"input": {"price": 0.0000025}, "input_cached_tokens": 0.00000125, "input_cache_read": 0.00000125},
}


@pytest.mark.parametrize("around", [LANGFUSE, [LANGFUSE], {"data": [LANGFUSE], "meta": {"page": 1}}])
def test_a_definition_of_langfuse_works_as_it_is_exported(around: object, tmp_path: Path) -> None:
    path = tmp_path / "models.json"
    path.write_text(json.dumps(around))
    tollbook.add_prices(path)
    used = {"input": 1_000_000, "input_cache_read": 1_000_000, "output": 1_000_000, "output_reasoning": 1_000_000}
    assert usd("MY-GPT", used) == Decimal("23.75")
    assert usd("my-gpt", {"input": 0, "output": 1}, when="2026-10-01T00:00:00") == Decimal("0.00001")
    assert tokenizer_of(None, "my-gpt", at("2026-11-20")) == {
        "id": "openai",
        "model": "gpt-3.5-turbo",
        "tokens_per_name": -1,
        "tokens_per_message": 4,
    }
    assert tokenizer_of(None, "my-gpt", at("2026-09-30")) is None


TIERED = {
    "modelName": "tiered",
    "matchPattern": "(?i)^(google/)?(tiered)$",
    "tokenizerId": "claude",
    "tokenizerConfig": None,
    "pricingTiers": [
        {
            "name": "Standard",
            "isDefault": True,
            "priority": 0,
            "conditions": [],
            "prices": {"input": 3e-6, "promptTokenCount": 3e-6, "output": 15e-6, "cached_content_token_count": 3e-7}
            | {"thoughtsTokenCount": 15e-6, "grounding_queries": 0.014},
        },
        {
            "name": "Large Context",
            "isDefault": False,
            "priority": 1,
            "conditions": [{"usageDetailPattern": "(input|prompt|cached)", "operator": "gt", "value": 200_000}],
            "prices": {"input": 6e-6, "output": 22.5e-6, "input_cached_tokens": 6e-7},
        },
    ],
}


@pytest.mark.parametrize("flat", [{}, {"inputPrice": 3e-6, "outputPrice": 15e-6, "prices": {"input": {"price": 3e-6}}}])
def test_the_tiers_of_langfuse_hold_alone_and_beside_its_flat_prices(flat: dict[str, object]) -> None:
    tollbook.add_prices({**TIERED, **flat})
    sent = {"input": 100_000, "input_cache_read": 100_000, "output": 10}
    assert usd("tiered", {**sent, "web_search": 2}) == Decimal("0.35815")
    assert usd("tiered", {**sent, "input": 100_001}) == Decimal("0.660231")


@pytest.mark.parametrize(
    "change",
    [{"usageDetailPattern": "^input$"}, {"usageDetailPattern": "("}, {"operator": "lt"}, {"value": "much"}],
)
def test_a_tier_of_langfuse_with_another_condition_is_refused(change: dict[str, object]) -> None:
    raw = json.loads(json.dumps(TIERED))
    raw["pricingTiers"][1]["conditions"][0].update(change)
    with pytest.raises(ValueError, match=r"tier\[0\]\.when"):
        tollbook.add_prices(raw)


@pytest.mark.parametrize(
    "more", [{}, {"pricingTiers": []}, {"tokenizerId": "openai", "pricingTiers": [{"prices": {}}]}]
)
def test_a_definition_of_langfuse_without_any_price_is_refused(more: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="at least one price"):
        tollbook.add_prices({"modelName": "m", "matchPattern": "m", **more})


def test_langfuses_other_units_and_total_price() -> None:
    for unit, bucket in (
        ("CHARACTERS", "input_characters"),
        ("IMAGES", "output_images"),
        ("SECONDS", "input_audio_ms"),
    ):
        tollbook.add_prices({"modelName": unit, "matchPattern": unit, "unit": unit, "totalPrice": 0.5})
        assert usd(unit, {bucket: 2000}) == Decimal(1 if unit == "SECONDS" else 1000)


def test_a_definition_may_give_a_tokenizer_and_leave_the_price_to_others() -> None:
    use("[[model]]\nname = 'gpt-4o'\ntokenizer = { id = 'openai', encoding = 'o200k_base', reply = 3 }")
    assert usd("gpt-4o", {"input": 1_000_000}, provider="openai") == Decimal("2.5")
    expected = {"id": "openai", "encoding": "o200k_base", "reply": 3}
    assert tokenizer_of("openai", "gpt-4o", at("2026-11-20")) == expected
    assert tokenizer_of("openai", "openai/gpt-4o", at("2026-11-20")) == expected
    assert tokenizer_of("openai", "gpt-4", at("2026-11-20")) is None


def test_json_is_as_exact_as_toml(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    path.write_text('{"model": [{"name": "m", "price": {"per": 1000000, "input": 0.1234567890123}}]}')
    tollbook.add_prices(path)
    assert usd("m", {"input": 10_000_000}) == Decimal("1.23456789") + Decimal("0.000000000123")


def test_the_lines_of_json_are_found(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    path.write_text(json.dumps({"model": [{"name": "a", "price": {"input": 1}}, {"name": "b", "prise": 1}]}, indent=1))
    assert [(each.line, each.definition) for each in check(path)] == [(11, "b")]


def test_a_problem_reads_as_a_sentence() -> None:
    assert str(Problem("f", 0, "", "", "expected JSON")) == "f: expected JSON"
    assert str(Problem("f", 3, "m", "unit", "expected one")) == 'f:3: "m", unit: expected one'


scalars = st.none() | st.booleans() | st.integers() | st.decimals() | st.text(max_size=8) | st.dates() | st.datetimes()
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)
keys = st.sampled_from(
    [
        *("name", "provider", "match_pattern", "matchPattern", "start_time", "end_time", "unit", "checked", "adjusts"),
        *("tokenizer", "price", "price_row", "tier", "variant", "window", "multiply", "prices", "inputPrice"),
        *("when", "per", "input", "usage", "utc", "days"),
    ]
)


@given(st.lists(st.dictionaries(keys, values | st.dictionaries(keys, values, max_size=3), max_size=6), max_size=3))
def test_whatever_is_written_gives_definitions_or_problems(raw: list[dict[str, object]]) -> None:
    found, wrong = read({"model": raw}, "x.toml")
    assert len(found) <= len(raw)
    assert len(found) == len(raw) or wrong


@given(st.text(max_size=200))
def test_any_text_is_toml_with_problems_or_is_refused(text: str) -> None:
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    read(raw, "x.toml", text)
