"""Text for a terminal: folded, cut and wrapped without harm."""

from __future__ import annotations

import pytest

from tollbook.cli._text import Column, Screen, columns, cut, fold, paragraph, table

# ---- text ----------------------------------------------------------------------------------------------------


def test_wide_characters_take_two_columns_and_marks_none() -> None:
    assert [columns(text) for text in ("abc", "日本", "e\u0301", "é")] == [3, 4, 1, 1]
    assert fold("日本語モデル", 5) == ["日本", "語モ", "デル"]
    assert cut("日本語モデル", 7) == "日本…ル"


@pytest.mark.parametrize(
    ("text", "room", "lines"),
    [
        ("gpt-4o", 8, ["gpt-4o"]),
        ("claude-sonnet-4-6", 14, ["claude-sonnet-", "4-6"]),
        ("abcdefghij", 4, ["abcd", "efgh", "ij"]),
        ("a-bcdefghij", 8, ["a-bcdefg", "hij"]),
    ],
)
def test_names_are_folded_at_their_borders(text: str, room: int, lines: list[str]) -> None:
    assert fold(text, room) == lines


def test_columns_go_in_their_order_until_the_rest_fits() -> None:
    heads = [
        Column("name"),
        Column("one", "number", droppable=1),
        Column("two", "number", droppable=2),
        Column("n", "number"),
    ]
    rows = [["x" * 8, "1" * 9, "2" * 9, "3" * 9]]

    def heading(width: int | None) -> list[str]:
        return table(Screen(width), heads, rows).splitlines()[0].split()

    assert heading(None) == heading(41) == ["name", "one", "two", "n"]
    assert heading(40) == heading(30) == ["name", "one", "n"]
    assert heading(29) == heading(5) == ["name", "n"]


def test_long_names_are_folded_before_a_column_goes_and_no_further_than_it_takes() -> None:
    heads = [Column("name"), Column("one", "number", droppable=1)]
    rows = [["x" * 30, "1" * 5]]
    assert table(Screen(37), heads, rows).splitlines()[2] == "x" * 30 + "  11111"
    assert table(Screen(35), heads, rows).splitlines()[2:] == ["x" * 28 + "  11111", "xx"]
    assert table(Screen(31), heads, rows).splitlines()[2:] == ["x" * 24 + "  11111", "x" * 6]
    assert table(Screen(30), heads, rows).splitlines()[2:] == ["x" * 24, "x" * 6]


def test_a_sentence_is_wrapped_between_words() -> None:
    assert paragraph(Screen(12), "one two three four") == "one two\n  three four"
    assert paragraph(Screen(), "one two three four", "red") == "one two three four"
    assert paragraph(Screen(colour=True), "one\x1b", "red") == "\x1b[31mone\\x1b\x1b[0m"


def test_numbers_without_a_name_are_shown_where_there_is_no_room_for_them() -> None:
    heads = [Column("one", "number"), Column("two", "number", droppable=1)]
    assert table(Screen(5), heads, [["1" * 9, "2" * 9]]).splitlines()[2] == "1" * 9
