"""Patterns of model names: regular expressions that can't hang the program, whatever somebody wrote.

Python's own matcher tries one way after another, and `(a+)+b` or thirty times `a?` has more ways than there is time.
Whether a name matches as a whole can be known without that: all ways are followed at once, one character after the
other, so a match takes at most `MOST_STATES` steps for each character. What only the other kind of matcher can do
(looking around, references back) is refused; no name needs it.
"""

from __future__ import annotations

import importlib
import re
from typing import Any, NamedTuple

LONGEST_PATTERN = 512
"""Characters of a pattern."""

LONGEST_NAME = 256
"""Characters of a model's name; a longer one matches nothing."""

MOST_STATES = 2000
"""Steps that a pattern may come to; `(abc){100}` comes to 300."""

_FLAGS = re.IGNORECASE | re.UNICODE | re.ASCII | re.DOTALL | re.VERBOSE
_parser: Any = importlib.import_module("re._parser")  # it has no other name, and reads what users know


class _Character(NamedTuple):
    """Takes one character."""

    kind: str
    """`literal`, `not`, `any` or `in`."""
    argument: Any
    flags: int
    to: int


class _Fork(NamedTuple):
    """Takes nothing, goes on in each of several places."""

    to: tuple[int, ...]


class _Place(NamedTuple):
    """Takes nothing, goes on only at the beginning or the end."""

    kind: str
    to: int


class Pattern:
    """A compiled pattern."""

    def __init__(self, pattern: str) -> None:
        """Compile `pattern`, in the syntax of Python's `re`.

        Raises:
            ValueError: It is too long, is no regular expression, or needs what is not supported; says which.
        """
        if len(pattern) > LONGEST_PATTERN:
            raise ValueError(f"a regular expression of at most {LONGEST_PATTERN} characters, this has {len(pattern)}")
        try:
            parsed = _parser.parse(pattern)
        except re.error as error:
            raise ValueError(f"a regular expression ({error})") from None
        except (RecursionError, OverflowError):
            raise ValueError("a regular expression that is not nested so deeply, or counts less") from None
        self.text = pattern
        self._states: list[_Character | _Fork | _Place | None] = [None]  # the first is the end: matched
        try:
            self._start = self._add(parsed, parsed.state.flags, 0)
        except RecursionError:
            raise ValueError("a regular expression that is not nested so deeply") from None

    def matches(self, name: str) -> bool:
        """Whether the pattern matches all of `name`."""
        if len(name) > LONGEST_NAME:
            return False
        now = self._closure({self._start}, name, 0)
        for at, character in enumerate(name, 1):
            reached: set[int] = set()
            for number in now:
                state = self._states[number]
                if isinstance(state, _Character) and _takes(state, character):
                    reached.add(state.to)
            if not reached:
                return False
            now = self._closure(reached, name, at)
        return 0 in now

    def examples(self, most: int) -> list[str]:
        """Up to `most` of the names that it matches, in lower case; where there are digits, they make a date."""
        found: dict[str, None] = {}
        waiting = [(self._start, "")]
        for _ in range(10 * MOST_STATES):
            if not waiting or len(found) >= most:
                break
            number, name = waiting.pop()
            state = self._states[number]
            if state is None:
                found[name] = None
            elif isinstance(state, _Fork):
                waiting += [(to, name) for to in reversed(state.to)]
            elif isinstance(state, _Place):
                waiting.append((state.to, name))
            elif len(name) < LONGEST_NAME and (character := _example(state, name)):
                waiting.append((state.to, name + character.lower()))
        return [name for name in found if self.matches(name)]

    def _closure(self, numbers: set[int], name: str, at: int) -> set[int]:
        """`numbers` and all that is reached from there without taking a character."""
        found, waiting = set(numbers), list(numbers)
        while waiting:
            state = self._states[waiting.pop()]
            if isinstance(state, _Fork):
                following = state.to
            elif isinstance(state, _Place) and _is_at(state.kind, name, at):
                following = (state.to,)
            else:
                continue
            for number in following:
                if number not in found:
                    found.add(number)
                    waiting.append(number)
        return found

    def _state(self, state: _Character | _Fork | _Place) -> int:
        if len(self._states) >= MOST_STATES:
            raise ValueError(f"a regular expression of less than {MOST_STATES:,} steps")
        self._states.append(state)
        return len(self._states) - 1

    def _add(self, parsed: Any, flags: int, to: int) -> int:
        """Add the states of a sequence that goes on at `to`; where it begins."""
        if flags & ~_FLAGS:
            raise ValueError("a regular expression without the flags m and L")
        for code, argument in reversed(list(parsed)):
            to = self._item(str(code), argument, flags, to)
        return to

    def _item(self, code: str, argument: Any, flags: int, to: int) -> int:
        if code == "LITERAL":
            return self._state(_Character("literal", chr(argument), flags, to))
        if code == "NOT_LITERAL":
            return self._state(_Character("not", chr(argument), flags, to))
        if code == "ANY":
            return self._state(_Character("any", None, flags, to))
        if code == "IN":
            return self._state(_Character("in", _class(argument), flags, to))
        if code == "BRANCH":
            return self._state(_Fork(tuple(self._add(each, flags, to) for each in argument[1])))
        if code == "SUBPATTERN":
            _, added, removed, inner = argument
            return self._add(inner, (flags | added) & ~removed, to)
        if code in {"MAX_REPEAT", "MIN_REPEAT"}:
            return self._repeat(argument, flags, to)
        if code == "AT" and str(argument) in {"AT_BEGINNING", "AT_BEGINNING_STRING", "AT_END", "AT_END_STRING"}:
            return self._state(_Place(str(argument), to))
        raise ValueError(f"a regular expression without {_NAMES.get(code, code.lower())}")

    def _repeat(self, argument: Any, flags: int, to: int) -> int:
        least, most, inner = int(argument[0]), argument[1], argument[2]
        if most == _parser.MAXREPEAT:
            loop = self._state(_Fork(()))
            self._states[loop] = _Fork((self._add(inner, flags, loop), to))
            to = loop
        else:
            end = to
            for _ in range(min(int(most) - least, MOST_STATES)):
                to = self._state(_Fork((self._add(inner, flags, to), end)))
        for _ in range(min(least, MOST_STATES)):
            begin = self._add(inner, flags, to)
            if begin == to:  # nothing, any number of times
                break
            to = begin
        return to


_NAMES = {
    "ASSERT": "looking ahead or back",
    "ASSERT_NOT": "looking ahead or back",
    "GROUPREF": "references to groups",
    "GROUPREF_EXISTS": "conditions",
    "ATOMIC_GROUP": "atomic groups",
    "POSSESSIVE_REPEAT": "possessive quantifiers",
    "AT": r"\b and \B",
}


def _class(items: Any) -> tuple[bool, tuple[tuple[str, Any], ...]]:
    """(whether it is negated, its members) of a class of characters."""
    members: list[tuple[str, Any]] = []
    negated = False
    for code, argument in items:
        kind = str(code)
        if kind == "NEGATE":
            negated = True
        elif kind == "LITERAL":
            members.append(("range", (argument, argument)))
        elif kind == "RANGE":
            members.append(("range", argument))
        else:
            members.append((str(argument), None))
    return negated, tuple(members)


def _takes(state: _Character, character: str) -> bool:
    if state.kind == "any":
        return character != "\n" or bool(state.flags & re.DOTALL)
    forms = {character}
    if state.flags & re.IGNORECASE:
        forms |= {form for form in (character.lower(), character.upper()) if len(form) == 1}
    if state.kind == "literal":
        return state.argument in forms
    if state.kind == "not":
        return state.argument not in forms
    negated, members = state.argument
    inside = any(_is_in(kind, argument, form, state.flags) for kind, argument in members for form in forms)
    return inside is not negated


def _example(state: _Character, before: str) -> str | None:
    """A character that `state` takes after the name `before`; None if no plain one does."""
    if state.kind == "literal":
        return str(state.argument)
    digits = len(before) - len(before.rstrip("0123456789-"))
    date = "20260101"[sum(character != "-" for character in before[len(before) - digits :]) % 8]
    return next((each for each in f"{date}01az-" if _takes(state, each)), None)


def _is_in(kind: str, argument: Any, character: str, flags: int) -> bool:
    if kind == "range":
        return bool(argument[0] <= ord(character) <= argument[1])
    name = kind.removeprefix("CATEGORY_")
    positive = name.removeprefix("NOT_")
    plain = character.isascii() or not flags & re.ASCII
    inside = plain and {
        "DIGIT": character.isdecimal(),
        "SPACE": character.isspace(),
        "WORD": character.isalnum() or character == "_",
    }.get(positive, False)
    return inside is (positive == name)


def _is_at(kind: str, name: str, at: int) -> bool:
    if kind.startswith("AT_BEGINNING"):
        return at == 0
    return at == len(name) or (kind == "AT_END" and at == len(name) - 1 and name[at] == "\n")
