"""LlamaIndex: what is open, as its handlers see it."""

from __future__ import annotations

import weakref
from typing import Any

from tollbook import tokens
from tollbook.spans import Run
from tollbook.usage import Usage
from tollbook_integrations._llama_index import Role, length, spoken

Json = dict[str, Any]

_ANY_NUMBER = 1 << 60


class Part(Run):
    """Anything of LlamaIndex that is no model's call."""

    __slots__ = ("tidy",)

    def __init__(self, name: object, kind: str, **more: Any) -> None:
        super().__init__(name, kind, **more)
        self.tidy = False
        """Whether it ended where it began, so that who still finds it as the current one was started inside of it."""


class Model(Run):
    """A model's call as LlamaIndex sees it; a stream's goes on after its method has returned."""

    __slots__ = ("asked", "event", "instance", "settled", "stream")

    def __init__(self, role: Role, instance: Any, model: str | None, **more: Any) -> None:
        """Begin it; `more` as for `Run`."""
        text = "complete" in role.name.rpartition(".")[2]
        operation = "text_completion" if text else None
        # All that is called inside is a part of it: attempts, too.
        super().__init__(role.name, role.kind, model=model, operation=operation, calls=_ANY_NUMBER, **more)
        self.instance = instance
        self.asked = not role.streams
        """Whether the model was asked: nobody does before the first item of a stream is wanted."""
        self.settled = False
        """Whether it is known which call below carries the bill of a stream."""
        self.stream: weakref.ref[Any] | None = None
        """What the program reads."""
        self.event: Any = None
        """The last event, from which a usage is estimated that nobody reports."""
        self.record.stream = role.streams

    def estimated(self) -> Usage | None:
        """By the text that LlamaIndex shows."""
        event = self.event
        if event is None:
            return None
        if (chunks := getattr(event, "chunks", None)) is not None:
            return tokens.estimate_request({"input": list(chunks)}, 0)
        messages = getattr(event, "messages", None)
        request: Json = {"prompt": event.prompt} if messages is None else {"messages": spoken(messages)}
        return tokens.estimate_request(request, 0 if event.response is None else length(event.response))

    def end(self, error: BaseException | None = None) -> None:
        """As for `Run`."""
        self.asked = self.asked or (error is not None and not isinstance(error, GeneratorExit))
        super().end(error)
        self.event = self.instance = None

    def _bill(self, error: BaseException | None) -> None:
        if self.asked:
            super()._bill(error)
