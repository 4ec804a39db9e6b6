"""Runs: spans that a framework opens and closes, by callbacks that may come in other contexts and threads.

The seam for frameworks. A handler makes a `Run` for everything that its framework starts, keeps it in `Runs` under
the framework's own id, enters it where what is inside will run, and ends it. A run is an open span like any other: what
is called while it is the current one becomes part of it. Two things are its own:

- It may be ended in another context than that of its start, where the context of its start can't be restored. So a run
  that has ended is passed over, by whatever still finds it as the current one.
- A run of kind `llm` or `embedding` is a model call as the framework sees it. It is booked by the SDK's call below it
  if that is metered, or by an SDK's call elsewhere with the same response id; else by the run itself, from `book`. An
  aggregate of a framework thus never is a second bill.
"""

from __future__ import annotations

import functools
import hashlib
import weakref
from asyncio.exceptions import CancelledError
from collections.abc import Callable, Hashable, Mapping
from contextlib import suppress
from time import time_ns
from typing import TYPE_CHECKING, Any

from tollbook import _guard, tokens, usage
from tollbook._late import later
from tollbook.spans import _attribution, _joins, _sink
from tollbook.spans._complete import defer, price
from tollbook.spans._context import Claim, Parent, current, innermost, opened
from tollbook.spans._span import Span, begun
from tollbook.spans._status import status_of

if TYPE_CHECKING:
    from tollbook.spans._call import Call
    from tollbook.spans._work import Work
    from tollbook.usage import Usage

Json = dict[str, Any]


_LONGEST, _WORDS = 64, 6
_MODEL_KINDS = frozenset({"llm", "embedding"})
_ALL = 1 << 60


def safe_name(name: object, kind: str) -> str:
    """`name` if it is short enough to be one; else `kind` and a hash, since it may be content."""
    text = str(name)
    if 0 < len(text) <= _LONGEST and text.isprintable() and text.count(" ") < _WORDS:
        return text
    return f"{kind} {hashlib.blake2b(text.encode(errors='replace'), digest_size=4).hexdigest()}" if text else kind


class Run(Span):
    """An open span of a framework; see the module for how it differs from a program's own."""

    __slots__ = (
        "_before",
        "_ended",
        "_inside",
        "_late",
        "_raw",
        "_response_id",
        "_within",
        "answering",
        "cached",
        "characters",
        "gone",
        "held",
        "request",
        "work",
    )

    def __init__(
        self,
        name: object,
        kind: str,
        *,
        integration: str,
        within: Run | None = None,
        operation: str | None = None,
        provider: str | None = None,
        model: str | None = None,
        lent: Mapping[str, object] | None = None,
        calls: int = 1,
        beside: Run | None = None,
        after: Run | None = None,
    ) -> None:
        """Begin a run, which is not yet the current span.

        Args:
            name: The framework's name of what runs; hashed if it looks like content.
            kind: `agent`, `chain`, `tool`, `retriever` or `span`; `llm` or `embedding` for a model call.
            integration: Who records it: `langchain`, `llama_index`.
            within: The run that the framework says it is in; None: it says none. Spans that the program opened inside
                that run, and that are current here, come between.
            operation: `gen_ai.operation.name` of a model call; default `chat`, or `embeddings`.
            provider: Of a model call, by OpenTelemetry's name.
            model: The model that was asked.
            lent: What the framework says that it, and all inside, is booked to, where the program says nothing else.
            calls: How many paid calls a model call is, at most.
            beside: The model call that this one was started with, and shares its paid calls with (a batch of prompts,
                of which the context knows the last only).
            after: The run that has ended, and left this one to be done when its result is read.
        """
        parent = beside.above if beside is not None else after or _parent(within)
        record = begun(safe_name(name, kind), "llm" if kind in _MODEL_KINDS else kind, parent)
        super().__init__(record, parent)
        if lent:
            self.lend(lent)
        record.integration, record.provider, record.request_model = integration, provider, model
        self.cached = False
        """Whether the framework answered from a cache of its own: nothing was paid."""
        self.request: Json | None = None
        """What was asked, held only while the run is open, and read only if its usage must be estimated."""
        self.held: object = None
        self.work: Work | None = None
        """Where the framework is at work on it, if that is known."""
        self.answering = False
        """Whether a piece of the answer has come. The paid call that it is of has begun then: those that begin later
        are not its own, but the program's, which reads a stream; unless the framework is at work where they begin."""
        self.gone: Callable[[], object] | None = None
        """Ends it as cancelled, if it has not ended."""
        self.characters = 0
        """Text that was answered, by its length only."""
        self._ended = False
        self._late: Call | Run | None = None
        self._before: Parent | None = None
        self._raw: tuple[str, Json] | None = None
        self._response_id: str | None = None
        self._inside: Claim | None = None
        self._within: Claim | None = None
        if kind in _MODEL_KINDS:
            embeds = kind == "embedding"
            record.operation = operation or ("embeddings" if embeds else "chat")
            self._inside = Claim(self.claim, embeds=embeds, room=_ALL if embeds else calls)
            self._be_within(self.claim)
            self.claim, self.watched = self._inside, True
            _joins.on = True
            if beside is not None:
                self.share(beside)

    @property
    def closed(self) -> bool:
        """Whether it has ended, or has all the paid calls that it is: others that are made here are not its own."""
        inside, work = self._inside, self.work
        if self._ended or inside is None or inside.calls >= inside.room:
            return self._ended or inside is not None
        if self.answering:
            return work is None or not work.here()
        return work is not None and work.away()

    @property
    def claimed(self) -> bool:
        """Whether a paid call inside is metered, so that this run is not to be booked."""
        return self._inside is not None and self._inside.calls > 0

    @property
    def room(self) -> int:
        """How many paid calls it is, at most; 0 if it is no model call."""
        return 0 if self._inside is None else self._inside.room

    def share(self, other: Run) -> None:
        """Share the paid calls with `other`, a model call that was started with this one."""
        if other._inside is not None:
            self.claim = self._inside = other._inside

    def _be_within(self, claim: Claim | None) -> None:
        embeds = self._inside is not None and self._inside.embeds
        if self._within is not None:
            self._within.opens(-1, embeds=embeds)
        self._within = None if self._ended else claim
        if self._within is not None:
            self._within.opens(1, embeds=embeds)

    def lend(self, given: Mapping[str, object]) -> None:
        """Book it, and what is opened inside from now on, to `given`, where the program says nothing else.

        What can't be a dimension is left out, and so is what there is no room for: it is a bill all the same.
        """
        try:
            self.lent = _attribution.clean(given, self.lent)
        except ValueError:
            for name, value in given.items():
                with suppress(ValueError):
                    self.lent = _attribution.clean({name: value}, self.lent)
        self.record.attribution = _attribution.of_call(self.own, self.lent)

    def enter(self, work: Work | None = None) -> None:
        """Make it the current span here, until it ends or another one is entered.

        Args:
            work: Where the framework is at work on it, if that is known.
        """
        self.work = work
        self._before = innermost()
        current.set(self)

    def leave(self) -> None:
        """Make what was current before it so again, if it is the current one here; it stays open."""
        if current.get() is self:
            current.set(self._before)

    def book(
        self,
        convention: str,
        raw: Json | None,
        *,
        model: str | None = None,
        response_id: str | None = None,
        provider: str | None = None,
    ) -> None:
        """Say what the framework reports of a model call; it is booked at the end, unless a call below was.

        Args:
            convention: One of `tollbook.usage.CONVENTIONS`.
            raw: The usage as reported; None if none was.
            model: The model that answered.
            response_id: The provider's id of the answer, by which a call is found whose context was lost.
            provider: Who answered, if it was not known at the start.
        """
        record = self.record
        if raw:
            self._raw = convention, raw
        record.response_model = model or record.response_model
        record.provider = provider or record.provider
        self._response_id = response_id or self._response_id

    def end(self, error: BaseException | None = None) -> None:
        """End it, once; write its record, with what was booked if no call that was metered has it already.

        Args:
            error: What it raised. `GeneratorExit`: the host read no further.
        """
        first = self._close()
        inside, record = self._inside, self.record
        if inside is not None and first:
            self.claim = inside.outer
            # A stream that is read no further ends before the one that it passes on, which bills then.
            passed_on = error is not None and inside.open > 0
            if self.cached:
                record.flags += ("cache_hit",)
            elif (
                record.usage is None
                and record.cost is None
                and not (self.claimed or passed_on or self._metered_elsewhere())
            ):
                self._bill(error)
            self._be_within(None)
        self.request = None
        super().end(error)

    def adopt(self, late: Call | Run) -> None:
        """Take in what began where the context did not know of this run, belongs to it, and is open still."""
        record = late.record
        record.parent_id = self.span_id
        record.attribution = _attribution.over(_attribution.over(self.lent, record.attribution), self.own) or None
        self.nested, self._late = True, late
        self._move(self.trace_id)
        if isinstance(late, Run):
            late.above = self
            late.own = _attribution.over(self.own, late.own)
            late.lent = {**(self.lent or {}), **(late.lent or {})} or None
            if late._inside is not None:
                late._inside.outer = self.claim
                late._be_within(self.claim)
            taken = late.claimed
        else:
            late.placed = taken = True
        if taken and self.claim is not None:
            self.claim.take(record.operation)

    def _move(self, trace_id: str) -> None:
        """Make it, and what it took in, a part of another trace."""
        self.trace_id = self.record.trace_id = trace_id
        if isinstance(self._late, Run):
            self._late._move(trace_id)
        elif self._late is not None:
            self._late.record.trace_id = trace_id

    def estimated(self) -> Usage | None:
        """What a model call used of which nothing was reported, where the framework knows its text; None: unknown."""
        return None if self.request is None else tokens.estimate_request(self.request, self.characters)

    def drop(self) -> None:
        """End it without a record: there is nothing to say of it."""
        self._close()
        self._open.clear()

    def _close(self) -> bool:
        first = not self._ended
        self._ended = self.watched = True
        self.leave()
        self._before = self.gone = None
        if self.work is not None:
            self.work.leave()
            self.work = None
        return first

    def _metered_elsewhere(self) -> bool:
        return self._response_id is not None and _joins.run_ended(self._response_id, self.record.start, time_ns())

    def _bill(self, error: BaseException | None) -> None:
        """Book the usage that was reported, else an estimate; what is not known stays so, and the call counts."""
        record = self.record
        record.bills = True
        record.response_id = self._response_id
        if self.claim is not None:
            self.claim.take(record.operation)
        if self._raw is not None:
            convention, raw = self._raw
            if not defer(record, convention, raw) and (found := usage.read(convention, raw)) is not None:
                price(record, found, convention, raw)
        elif (used := self.estimated()) is not None:
            record.flags += ("no_usage_reported",)
            price(record, used, "", None)
        else:
            cut = error is not None and status_of(error) != "error"
            record.flags += ("may_be_billed" if cut else "no_usage_reported",)


def _parent(within: Run | None) -> Parent | None:
    """The parent of a run: the program's own spans that are open here inside `within`, else that."""
    here = innermost()
    if within is None:
        return here
    found = here
    while found is not None and found is not within and not isinstance(found, Run):
        found = opened(found.above)
    return here if found is within else opened(within)


class Runs:
    """The open runs of one framework, by the framework's ids.

    The oldest are ended when there are too many: a framework does not tell of the end of all.
    """

    def __init__(self, most: int = 10_000) -> None:
        self._open: dict[Hashable, Run] = {}
        self._most = most
        self.get: Callable[[Hashable], Run | None] = self._open.get
        """The open run of a key; the dictionary's own method, since it is asked for every token of a stream."""
        _sink.unsaid.append(self.settle)

    def __len__(self) -> int:
        return len(self._open)

    def add(self, key: Hashable, run: Run, held: object = None) -> None:
        """Keep `run` until its end.

        Args:
            key: The framework's id of it.
            run: The run.
            held: An object that the framework holds as long as it is at work on the run, and nobody else does. When it
                is gone and the run is still open, the run was cancelled, and the framework told nobody.
        """
        self._open[key] = run
        run.gone = functools.partial(self._lost, key)
        if run.work is not None:
            run.work.watch(run.gone)
        if held is not None:
            run.held = weakref.ref(held, lambda _: self._let_go(key))
        while len(self._open) > self._most:
            try:
                lost = self._open.pop(next(iter(self._open)))
            except (KeyError, RuntimeError, StopIteration):  # another thread was faster
                return
            lost.end(GeneratorExit())

    def _let_go(self, key: Hashable) -> None:
        if key in self._open:
            later(functools.partial(self._lost, key))  # the garbage collector may be here

    def _lost(self, key: Hashable) -> None:
        if (run := self._open.pop(key, None)) is not None:
            run.request = None  # it may not have got so far as to be paid for
            _guard.guarded(run.end)(CancelledError())

    def pop(self, key: Hashable) -> Run | None:
        """The open run of `key`, no longer kept."""
        return self._open.pop(key, None)

    def settle(self) -> None:
        """End what was cancelled without a word of it."""
        for run in list(self._open.values()):
            if run.work is not None and run.gone is not None and run.work.over():
                run.gone()

    def end(self) -> None:
        """End all that are open, as abandoned: the program exits, or the framework is left alone."""
        for key in list(self._open):
            run = self._open.pop(key, None)
            if run is not None:
                run.end(GeneratorExit())

    def forget(self) -> None:
        """Forget all that are open: in the child of a fork they are the parent's to end."""
        self._open.clear()
