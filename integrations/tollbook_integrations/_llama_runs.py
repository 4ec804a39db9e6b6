"""LlamaIndex: what is open, as its handlers see it."""

from __future__ import annotations

import weakref
from inspect import currentframe
from types import AsyncGeneratorType, FrameType, GeneratorType
from typing import Any, cast

from tollbook import tokens
from tollbook.spans import Run, innermost
from tollbook.usage import Usage
from tollbook_integrations._llama_index import Role, length, spoken

Json = dict[str, Any]

_ANY_NUMBER = 1 << 60
_MANY = 4096


class Part(Run):
    """Anything of LlamaIndex that is no model's call."""

    __slots__ = ("tidy",)

    def __init__(self, name: object, kind: str, **more: Any) -> None:
        super().__init__(name, kind, **more)
        self.tidy = False
        """Whether it ended where it began, so that who still finds it as the current one was started inside of it."""


class Model(Run):
    """A model's call as LlamaIndex sees it; a stream's goes on after its method has returned."""

    __slots__ = ("asked", "event", "instance", "passed_on", "settled", "stream")

    def __init__(self, role: Role, instance: Any, model: str | None, **more: Any) -> None:
        """Begin it; `more` as for `Run`."""
        text = "complete" in role.name.rpartition(".")[2]
        ranks = role.kind == "rerank"
        operation = "rerank" if ranks else "text_completion" if text else None
        kind = "llm" if ranks else role.kind
        # All that is called inside is a part of it: attempts, too.
        super().__init__(role.name, kind, model=model, operation=operation, calls=_ANY_NUMBER, **more)
        self.instance = instance
        self.asked = not (role.streams or ranks)
        """Whether the model was asked: nobody does before the first item of a stream is wanted, or ranks nothing."""
        self.settled = False
        """Whether it is known which call below carries the bill of a stream."""
        self.stream: weakref.ref[Any] | None = None
        """What the program reads."""
        self.passed_on: Model | None = None
        """Whose stream it passes on."""
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
        if self.record.operation != "rerank":
            self.asked = self.asked or (error is not None and not isinstance(error, GeneratorExit))
        super().end(error)
        self.event = self.instance = self.passed_on = None

    def _bill(self, error: BaseException | None) -> None:
        if self.asked:
            super()._bill(error)


class Unread:
    """The generators that spans have returned: what such a one calls, when it is read at last, is that span's doing."""

    def __init__(self) -> None:
        self._by_frame: dict[int, tuple[weakref.ref[Any], Run]] = {}

    def add(self, result: Any, run: Run) -> None:
        """Keep in mind that `run` has returned `result`, if that is a generator, or a response that holds one."""
        given: Any = result
        if _frame_of(given) is None:
            given = getattr(result, "__dict__", {}).get("response_gen")
        frame = _frame_of(given)
        if frame is None:
            return
        key, known = id(frame), self._by_frame
        if key in known and known[key][0]() is given:
            return  # what is inside of `run` has returned it before
        known[key] = weakref.ref(given, lambda gone: self._forget(key, gone)), run
        while len(known) > _MANY:
            known.pop(next(iter(known)), None)

    def _forget(self, key: int, gone: weakref.ref[Any]) -> None:
        if (found := self._by_frame.get(key)) is not None and found[0] is gone:
            self._by_frame.pop(key, None)

    def reader(self) -> Run | None:
        """The span whose generator is running here, and has opened nothing yet that is still open; None if none is."""
        frame = currentframe() if self._by_frame else None
        while frame is not None:
            generator, run = self._by_frame.get(id(frame), (None, None))
            if generator is not None and run is not None and _frame_of(generator()) is frame:
                return None if _inside(run) else run
            frame = frame.f_back
        return None


def _frame_of(generator: Any) -> FrameType | None:
    """The frame of a generator of either kind; None if it has come to its end, or is none."""
    kind: type = generator.__class__
    if kind is GeneratorType:
        return cast("FrameType | None", generator.gi_frame)
    return cast("FrameType | None", generator.ag_frame) if kind is AsyncGeneratorType else None


def _inside(run: Run) -> bool:
    found = innermost()
    while found is not None and found is not run:
        found = found.above
    return found is run
