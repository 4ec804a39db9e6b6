"""Budgets that are written wrong: refused, with the place of the mistake."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import tollbook
from tollbook.budgets import load_budgets

BUDGET = '[[budget]]\nname = "a"\nusd = 1\n'


@pytest.mark.parametrize(
    ("text", "line", "field", "expected"),
    [
        (BUDGET + 'window = "0h"\n', 4, "window", "24h or 30d"),
        (BUDGET + 'window = "0d"\n', 4, "window", "24h or 30d"),
        (BUDGET + 'window = "rolling 000h"\n', 4, "window", "24h or 30d"),
        (BUDGET + 'scope = "tag."\n', 4, "scope", "tag.NAME"),
        (BUDGET + 'scope = { "tag." = "x" }\n', 4, "scope", "tag.NAME"),
        (BUDGET + 'scope = { feature = "search", "tag.feature" = "chat" }\n', 4, "scope", "feature once"),
        (BUDGET + 'zone = ""\n', 4, "zone", "an IANA name"),
        (BUDGET + 'callback = "x"\n', 4, "callback", "beside the budgets"),
        (BUDGET + 'action = "callback"\n', 1, "callback", "a function"),
        (BUDGET + 'action = "ask"\n', 1, "callback", "a function"),
        (BUDGET + 'secret = "TOLLBOOK_TEST_UNSET"\n', 4, "secret", "that is set here"),
        ("per_call_daily = 5\n", 1, "per_call_daily", "no such field"),
        (BUDGET + "\n" + BUDGET, 5, "name", "a name of its own"),
        ('per_call_max = 1\n[[budget]]\nname = "per_call_max"\nusd = 1\n', 1, "name", "a name of its own"),
        ('budget = [\n  { name = "a", usd = 1 },\n  { name = "b", usd = -1 },\n]\n', 3, "usd", "above 0"),
        (
            "budget = [  # {\n"
            "  { name = '}', usd = 1, scope = { feature = \"}{\" } },\n\n"
            '  { name = "b", usd = 1, scope = { planet = "x" } },\n]\n',
            4,
            "scope",
            "dimensions among",
        ),
    ],
)
def test_a_mistake_in_a_file_is_refused_with_its_line(
    tmp_path: Path, text: str, line: int, field: str, expected: str
) -> None:
    path = tmp_path / "budgets.toml"
    path.write_text(text)
    with pytest.raises(tollbook.BudgetError) as caught:
        load_budgets(path)
    [problem] = caught.value.problems
    assert (problem.line, problem.field) == (line, field)
    assert expected in problem.expected


@pytest.mark.parametrize("source", [5, None, {5: 6}, [5], [None], {"budget": 5}, {"budget": [{5: 6, "usd": 1}]}])
def test_what_is_no_budget_at_all_is_refused_as_a_budget(source: Any) -> None:
    with pytest.raises(tollbook.BudgetError):
        load_budgets(source)


@pytest.mark.parametrize(
    "address",
    [
        *("https://host:abc/", "https://host:99999/", "http://:80/", "http://[::1/", "http://127.0.0.1/\x7f"),
        *("https://hooks.example.com/\xfc", "https://me:secret@hooks.example.com/"),
    ],
)
def test_an_address_that_nothing_can_be_posted_to_is_refused(address: str) -> None:
    with pytest.raises(tollbook.BudgetError, match="webhook: expected an address"):
        load_budgets({"name": "w", "usd": 1, "action": "webhook", "webhook": address})
    assert load_budgets({"usd": 1, "webhook": "http://[::1]:8000/costs?key=a/b@c"})


async def a_function(_: object) -> bool:
    return False


class Called:
    async def __call__(self, _: object) -> bool:
        return False


@pytest.mark.parametrize("callback", [a_function, Called()])
@pytest.mark.parametrize("action", ["ask", "callback"])
def test_a_callback_that_nobody_would_wait_for_is_refused(action: str, callback: Any) -> None:
    """Its coroutine would be taken for a yes."""
    with pytest.raises(tollbook.BudgetError, match="a plain function"):
        load_budgets({"name": "a", "usd": 1, "action": action}, callback)


def test_a_block_does_not_take_such_a_callback_either() -> None:
    with pytest.raises(ValueError, match="a plain function"):
        tollbook.budget(usd=1, action="ask", callback=a_function)


def test_a_window_may_begin_with_zeros_and_a_callback_may_be_any_plain_function() -> None:
    [budget] = load_budgets({"name": "a", "usd": 1, "window": "07d", "action": "callback"}, [].append)
    assert budget.limit.window == "168h"
