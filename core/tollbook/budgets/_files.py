"""Budgets in a file: TOML or JSON, all of them right or none taken."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, cast

from tollbook.budgets._budget import Budget
from tollbook.budgets._parse import budget_from, short
from tollbook.pricing._definition import Problem
from tollbook.pricing._read import field_line, places_in, read_data

_LIST = "budget"
_HEADER = re.compile(r"^\s*\[\[\s*budget\s*\]\]")
_INLINE = re.compile(r"^\s*budget\s*=\s*\[", re.MULTILINE)
_TOKEN = re.compile(r'"""[\s\S]*?"""|"(?:[^"\\\n]|\\.)*"|' r"'''[\s\S]*?'''|'[^'\n]*'|#[^\n]*|[{}]")
"""What braces are to be told from, in TOML."""

Source = str | Path | Mapping[str, Any] | Iterable[Mapping[str, Any]]


class BudgetError(ValueError):
    """Budgets are not as they should be, and none of them was taken; the text names each mistake and its place."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


def load_budgets(source: Source, callback: Callable[[Any], object] | None = None) -> list[Budget]:
    """The budgets in a file, a table or a list of tables.

    Args:
        source: A path (TOML, or JSON by its name), a table with a list `budget` and lines such as
            `per_user_daily = 50.00`, or a list of budgets.
        callback: For those whose action is `callback` or `ask`.

    Raises:
        BudgetError: Anything is wrong with any of them.
    """
    if isinstance(source, str | Path):
        raw, text, problem = read_data(source)
        if problem is not None:
            raise BudgetError([problem])
        return _load(raw, str(source), text, callback)
    if not isinstance(source, Mapping):
        if not isinstance(cast("object", source), Iterable):
            what = "expected a path, a table, or a list of tables"
            raise BudgetError([Problem("code", 0, "", "", f"{what}, found {type(source).__name__}")])
        return _load({_LIST: list(source)}, "code", "", callback)
    table = cast("Mapping[str, Any]", source)
    one = not {"usd", "tokens", "calls"}.isdisjoint(table)
    return _load({_LIST: [table]} if one else table, "code", "", callback)


def _load(raw: object, file: str, text: str, callback: Callable[[Any], object] | None) -> list[Budget]:
    problems: list[Problem] = []
    found: list[Budget] = []
    if not isinstance(raw, Mapping):
        raise BudgetError([Problem(file, 0, "", "", "expected a table")])
    top = {str(key): value for key, value in cast("Mapping[object, Any]", raw).items()}
    listed = top.pop(_LIST, [])
    if not isinstance(listed, list):
        problems.append(Problem(file, field_line(text, 1, _LIST) if text else 0, "", _LIST, "expected [[budget]]"))
        listed = []
    tables = cast("list[object]", listed)
    places = (places_in(text, len(tables), _HEADER, (_LIST,)) or _inline(text, len(tables))) if text else []
    lines: dict[str, int] = {}
    for n, table in enumerate(tables):
        line, block = places[n] if n < len(places) else (0, "")
        if not isinstance(table, Mapping):
            problems.append(Problem(file, line, "", f"{_LIST}[{n}]", "expected a table"))
            continue
        each = cast("Mapping[str, Any]", table)
        budget, wrong = budget_from(each, file, callback)
        name = str(each.get("name", ""))[:80]
        problems += [Problem(file, field_line(block, line, field), name, field, what) for field, what in wrong]
        if budget is not None:
            if budget.name in lines:
                problems.append(_second(file, line, budget.name))
            lines.setdefault(budget.name, line)
            found.append(budget)
    for key, value in top.items():
        line = field_line(text, 1, key) if text else 0
        table = short(key, value)
        if table is None:
            what = "there is no such field; expected [[budget]], or a line such as per_user_daily = 50.00"
            problems.append(Problem(file, line, "", key[:64], what))
            continue
        budget, wrong = budget_from(table, file)
        problems += [Problem(file, line, "", key, what) for _, what in wrong]
        if budget is not None:
            if budget.name in lines:
                problems.append(_second(file, line, budget.name))
            found.append(budget)
    if problems:
        raise BudgetError(sorted(problems, key=lambda problem: problem.line))
    return found


def _second(file: str, line: int, name: str) -> Problem:
    return Problem(file, line, name, "name", "expected each budget to have a name of its own, found it a second time")


def _inline(text: str, count: int) -> list[tuple[int, str]]:
    """(line, text) of each of `count` inline tables of `budget = [...]`; empty if they are not where they should be."""
    begin = _INLINE.search(text)
    if begin is None:
        return []
    found: list[tuple[int, str]] = []
    depth = start = 0
    for token in _TOKEN.finditer(text, begin.end()):
        if token[0] == "{":
            start = token.start() if not depth else start
            depth += 1
        elif token[0] == "}":
            depth -= 1
            if not depth:
                found.append((text.count("\n", 0, start) + 1, text[start : token.end()]))
        if len(found) == count:
            return found
    return []
