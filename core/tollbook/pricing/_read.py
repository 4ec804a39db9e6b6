"""Reading files of definitions, TOML or JSON, and saying in which line something is wrong."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from tollbook.pricing._definition import Definition, Problem
from tollbook.pricing._fields import MOST_PROBLEMS, as_list, as_table, is_list
from tollbook.pricing._parse import parse

LARGEST_FILE = 4_000_000
"""Bytes of a file."""

_TOP = frozenset({"schema", "currency", "model", "version", "$schema"})
_LISTS = ("model", "models", "data")
_HEADER = re.compile(r"^\s*\[\[\s*model\s*\]\]")

Read = tuple[list[Definition], list[Problem]]


def read_file(path: str | Path) -> Read:
    """The definitions in a file, and all that is wrong in it; what is wrong leaves the rest as it is."""
    raw, text, problem = read_data(path)
    return ([], [problem]) if problem is not None else read(raw, str(path), text)


def read_data(path: str | Path) -> tuple[object, str, Problem | None]:
    """What a TOML or JSON file holds, its text, and why it can't be read; numbers with a point are `Decimal`."""
    name = str(path)
    try:
        with Path(path).open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        return None, "", Problem(name, 0, "", "", f"can't be read: {error.strerror or type(error).__name__}")
    if len(content) > LARGEST_FILE:
        return None, "", Problem(name, 0, "", "", f"expected at most {LARGEST_FILE:,} bytes")
    return decoded(content, name, is_json=name.lower().endswith(".json"))


def read_content(content: bytes, name: str, *, is_json: bool) -> Read:
    """As `read_file`, for the content of a file; `name` is what problems say of where it is from."""
    raw, text, problem = decoded(content, name, is_json=is_json)
    return ([], [problem]) if problem is not None else read(raw, name, text)


def decoded(content: bytes, name: str, *, is_json: bool) -> tuple[object, str, Problem | None]:
    """As `read_data`, for the content of a file."""
    try:
        text = content.decode("utf-8-sig")
        raw = json.loads(text, parse_float=_decimal) if is_json else tomllib.loads(text, parse_float=_decimal)
    except (ValueError, RecursionError) as error:
        return None, "", Problem(name, _line_of(error), "", "", f"expected {'JSON' if is_json else 'TOML'}: {error}")
    return raw, text, None


def read(raw: object, file: str, text: str = "") -> Read:
    """The definitions in decoded data: a table with `model`, a list of definitions, or one of Langfuse's.

    Args:
        raw: As decoded.
        file: What problems say of where it is from.
        text: The file's text, to find lines in.
    """
    problems: list[Problem] = []
    listed = _listed(raw, file, problems)
    lines = places_in(text, len(listed), _HEADER, _LISTS) if text else []
    found: list[Definition] = []
    for n, each in enumerate(listed):
        line, block = lines[n] if n < len(lines) else (0, "")
        table = as_table(each)
        if table is None:
            problems.append(Problem(file, line, "", f"model[{n}]", "expected a table"))
            continue
        definition, wrong = _parsed(table, file, line)
        name = next((str(table[key])[:80] for key in ("name", "modelName") if isinstance(table.get(key), str)), "")
        problems += [Problem(file, field_line(block, line, field), name, field, what) for field, what in wrong]
        if definition is not None:
            found.append(definition)
    return found, problems + list(_duplicates(found))


def _parsed(table: Mapping[str, Any], file: str, line: int) -> tuple[Definition | None, list[tuple[str, str]]]:
    """As `parse`; what it can't read at all is a problem of this definition alone, too."""
    try:
        definition, wrong = parse(table, file, line)
    except RecursionError:
        return None, [("", "expected tables that are not nested so deeply")]
    except (ValueError, TypeError, ArithmeticError) as error:  # half a character, or what a program put into a mapping
        return None, [("", f"expected texts, numbers, times, lists and tables: {error}")]
    more = len(wrong) - MOST_PROBLEMS
    return definition, wrong if more <= 0 else [*wrong[:MOST_PROBLEMS], ("", f"... and {more:,} more problems")]


def _decimal(text: str) -> Decimal | str:
    try:
        return Decimal(text)
    except InvalidOperation:  # its exponent is larger than any: no number, wherever one is expected
        return text


def _line_of(error: Exception) -> int:
    if isinstance(error, json.JSONDecodeError):
        return error.lineno
    found = re.search(r"at line (\d+)", str(error))
    return int(found[1]) if found else 0


def _listed(raw: object, file: str, problems: list[Problem]) -> list[Any]:
    """The definitions of a file, still as decoded."""
    if is_list(raw):
        return raw
    top = as_table(raw)
    if top is None:
        problems.append(Problem(file, 0, "", "", "expected a table with a list `model`"))
        return []
    if "matchPattern" in top or ("name" in top and "model" not in top):
        return [top]
    if top.get("schema", 1) != 1:
        problems.append(Problem(file, 0, "", "schema", "expected 1: a newer file needs a newer tollbook"))
        return []
    if top.get("currency", "USD") != "USD":
        problems.append(Problem(file, 0, "", "currency", "expected USD: other currencies are not supported"))
        return []
    key = next((key for key in _LISTS if isinstance(top.get(key), list)), None)
    if key is None:
        problems.append(Problem(file, 0, "", "model", "expected at least one [[model]]"))
        return []
    if key != "data":  # Langfuse's pages have more around them
        what = f"there is no such field; one of {', '.join(sorted(_TOP))}"
        problems += [Problem(file, 0, "", other[:40], what) for other in sorted(top.keys() - _TOP - {key})]
    return as_list(top[key])


def _duplicates(found: list[Definition]) -> Iterator[Problem]:
    seen: dict[tuple[object, ...], Definition] = {}
    for each in found:
        key = (each.name, each.pattern.text, each.providers, each.start, each.adjusts)
        first = seen.setdefault(key, each)
        if first is not each:
            where = f" in line {first.line}" if first.line else ""
            what = f"a second definition of the same name, pattern and start_time, in place of the one{where}"
            yield Problem(each.file, each.line, each.name, "", what)


# ---- lines ---------------------------------------------------------------------------------------------------


def places_in(text: str, count: int, header: re.Pattern[str], lists: Iterable[str]) -> list[tuple[int, str]]:
    """(line, text) of each of `count` tables of a list in a file; empty if they are not where they are expected.

    Args:
        text: TOML or JSON.
        count: How many there are.
        header: What the line matches that begins one in TOML.
        lists: What the list may be called in JSON.
    """
    if not count:
        return []
    rows = text.splitlines(keepends=True)
    starts = [n for n, row in enumerate(rows) if header.match(row)]
    if not starts or len(starts) != count:
        return _json_lines(text, count, lists)
    ends = [*starts[1:], len(rows)]
    return [(begin + 1, "".join(rows[begin:end])) for begin, end in zip(starts, ends, strict=True)]


def _json_lines(text: str, count: int, lists: Iterable[str]) -> list[tuple[int, str]]:
    begin = re.search(rf'^\s*\[|"(?:{"|".join(lists)})"\s*:\s*\[', text)
    at = begin.end() if begin else 0
    decoder = json.JSONDecoder()
    found: list[tuple[int, str]] = []
    line, counted = 1, 0
    while len(found) < count:
        start = re.compile(r"[\s,]*").match(text, at)
        at = start.end() if start else at
        try:
            _, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            return []
        line, counted = line + text.count("\n", counted, at), at
        found.append((line, text[at:end]))
        at = end
    return found


def field_line(block: str, line: int, field: str) -> int:
    """The line of a field such as `variant[1].price.input` in a definition that begins in `line`."""
    at = 0
    for name, place in re.findall(r"([^.\[\]]+)(?:\[(\d+)\])?", field):
        for _ in range(int(place or 0) + 1):
            found = re.compile(rf'(?<![\w-])"?{re.escape(name)}"?\s*[=:\]]').search(block, at)
            if found is None:
                return line + block.count("\n", 0, at) if line else 0
            at = found.end()
    return line + block.count("\n", 0, at) if line else 0
