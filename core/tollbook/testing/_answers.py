"""What a fake provider answers, before it is put into the words of one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import msgspec

Json = dict[str, Any]


class Answer(msgspec.Struct, frozen=True):
    """What a model says."""

    text: str = ""
    tools: Mapping[str, Mapping[str, Any]] | Sequence[tuple[str, Mapping[str, Any]]] = ()
    """Tools that it wants called, by name, with their arguments; pairs, if one is called twice."""
    usage: Mapping[str, Any] | None = None
    """In the provider's words, as it is to be reported, such as `{"prompt_tokens": 9, "completion_tokens": 3}`; what is
    not said is 0. None: a token for every four characters that were sent and are answered."""
    model: str | None = None
    """The model that answers; None: the one that was asked."""
    finish: str | None = None
    """Why it ends, in the provider's word; None: `stop`, `tool_calls`, `end_turn`, `tool_use`, ... as it is."""

    def calls(self) -> list[tuple[str, str]]:
        """The tools to be called, by name, with their arguments as JSON."""
        pairs = self.tools.items() if isinstance(self.tools, Mapping) else self.tools
        return [(name, json.dumps(dict(arguments))) for name, arguments in pairs]

    def pieces(self) -> list[str]:
        """The text as it is streamed, in words."""
        return [word for word in self.text.replace(" ", "\0 ").split("\0") if word]

    def tokens(self) -> int:
        """How many tokens the answer is taken to have, where nothing else is said."""
        return rough(self.text + "".join(name + arguments for name, arguments in self.calls()))


class Failure(msgspec.Struct, frozen=True):
    """A provider that fails."""

    status: int = 500
    """Of HTTP: 429 is a rate limit, 401 a wrong key, 529 an overloaded Anthropic, ..."""
    message: str = "This is a failure made for a test."
    kind: str | None = None
    """The provider's word for it; None: the usual one for the status."""
    retry_after: float | None = None
    """Seconds that it asks to wait."""


Given = str | Answer | Failure
Script = Given | Callable[[Json], Given]
"""An answer, or what makes one of the request's body."""


def rough(text: str) -> int:
    """A token for every four characters, at least one."""
    return max(1, -(-len(text) // 4))


def sent(body: Json, *fields: str) -> int:
    """How many tokens a request is taken to have: its texts, at four characters each."""
    return rough("".join(_texts([body.get(field) for field in fields])))


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    inner: list[object] = []
    if isinstance(value, dict):
        inner = list(cast("Json", value).values())
    elif isinstance(value, list):
        inner = cast("list[object]", value)
    return [text for each in inner for text in _texts(each)]
