"""The keeper of this process's budgets: asked before each call, and told when it has ended.

A call reserves the most that it may come to. In a budget of a block that is a number in memory. In a budget of the
ledger it is a row there, which is taken back by whoever stores the call's span: so nothing has to be done when the
call ends, and nothing can be lost or counted twice in between.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from tollbook import _guard
from tollbook.budgets._budget import Budget
from tollbook.budgets._cut import cut_at
from tollbook.budgets._exceeded import BudgetExceeded
from tollbook.budgets._local import LocalBudget, active
from tollbook.budgets._worst import worst
from tollbook.ledger import Refusal, StoreError, Want, holder_of
from tollbook.spans import Stop

if TYPE_CHECKING:
    from tollbook.ledger import Ledger
    from tollbook.spans import Call, Record

PATIENCE = 2.0
"""Seconds that a call waits for the ledger, before it counts as unreachable."""


class Question:
    """A call that a budget has no room for, for `ask` to decide."""

    __slots__ = ("budget", "error", "model", "provider")

    def __init__(self, budget: Budget, call: Call, error: BudgetExceeded) -> None:
        self.budget = budget
        self.provider = call.record.provider
        self.model = call.record.request_model
        self.error = error
        """What the program gets if the answer is no: spent, reserved, limit, ..."""


class Refused(Exception):  # noqa: N818 - inside only
    """A budget has no room for a call."""

    def __init__(self, budget: Budget, error: BudgetExceeded) -> None:
        super().__init__(error)
        self.budget = budget
        self.error = error


class _Terms:
    """On what terms a call is made after all."""

    __slots__ = ("cuts", "model", "waived")

    def __init__(self) -> None:
        self.cuts: list[tuple[Budget, int]] = []
        """Budgets that cut a stream, and what is left of each."""
        self.model: str | None = None
        """That is asked in place of the host's."""
        self.waived: list[Budget] = []
        """Budgets that the program lets it go beyond."""


class Keeper:
    """The gate of this process: its budgets in the ledger, and those of the blocks of code that are running."""

    def __init__(self) -> None:
        self.budgets: tuple[Budget, ...] = ()
        """Those of the ledger that are asked before a call."""
        self.ledger: Callable[[], Ledger] | None = None
        """Gives the ledger of this process."""
        self.renew: Callable[[bool], bool] | None = None
        """Takes up the ledger's budgets of now if they have changed, or, given True, only looks; whether they have."""
        self.used = False
        """Whether a block of code has had a budget: then the gate stays, also without a ledger's budgets."""
        self.everywhere: tuple[LocalBudget, ...] = ()
        """Blocks that all of this process is in, whichever thread or task: those of the test that runs."""

    def admit(self, call: Call) -> str | None:
        """Another model to ask instead, or None; raises `BudgetExceeded` if the call must not be made."""
        try:
            blocks = active.get()
            if self.everywhere:
                blocks = (*self.everywhere, *blocks)
            if not self.budgets and (not blocks or (len(blocks) == 1 and blocks[0].admits(call))):
                return None
            return self._decide(call, blocks, PATIENCE, _Terms())
        except Exception as error:  # noqa: BLE001 - the guard: only what stops the call may pass
            _stopped(call, error)
            return None

    def saw(self, record: Record) -> None:
        """Count in blocks what is booked without having been asked for: by hand, or by a framework."""
        if record.bills and not record.covers:
            for block in active.get():
                block.add(record)

    async def admit_async(self, call: Call) -> str | None:
        """As `admit`; what has to wait for the ledger, waits in a thread."""
        if not self.budgets:
            return self.admit(call)  # it is about numbers in memory
        try:
            blocks, terms = (*self.everywhere, *active.get()), _Terms()
            try:
                return self._decide(call, blocks, 0.0, terms)
            except _Busy:
                return await asyncio.to_thread(self._decide_meanwhile, call, blocks, terms)
        except asyncio.CancelledError:
            call.drop()
            raise
        except Exception as error:  # noqa: BLE001 - as above
            _stopped(call, error)
            return None

    def _decide_meanwhile(self, call: Call, blocks: Sequence[LocalBudget], terms: _Terms) -> str | None:
        """As `_decide`, in a thread that goes on where the task is cancelled that waits for it."""
        model = self._decide(call, blocks, PATIENCE, terms)
        if call.ended:
            call.give_back()
        return model

    def _decide(self, call: Call, blocks: Sequence[LocalBudget], patience: float, terms: _Terms) -> str | None:
        while True:
            try:
                narrow = self._reserve(call, blocks, patience, terms)
            except Refused as refused:
                # A program whose calls are all refused records nothing, after which it would see what has changed.
                if self.renew is not None and self.renew(not patience):
                    if not patience:
                        raise _Busy from None
                elif not _changed(call, refused, terms):
                    raise refused.error from None
                continue
            if narrow is None or terms.model is not None or (model := _cheaper(narrow, call)) is None:
                for budget, room in terms.cuts:
                    _guard.guarded(cut_at)(call, budget, room, call.request or {})
                return terms.model
            # There is room, but it gets narrow. The cheaper model may have budgets of its own, so all are asked again.
            call.give_back()
            _downgrade(call, model, terms)

    # -- reserving --------------------------------------------------------------------------------------------------

    def _reserve(self, call: Call, blocks: Sequence[LocalBudget], patience: float, terms: _Terms) -> Budget | None:
        """Reserve what the call may come to, all or nothing; the budget that is past its `downgrade_at`, if one is."""
        taken: list[tuple[LocalBudget, int]] = []
        narrow: Budget | None = None
        terms.cuts.clear()
        try:
            for block in blocks:
                budget = block.budget
                amount = _take(block, call, terms)
                taken.append((block, amount))
                cuts = _cuts(budget, call) and budget not in terms.waived
                if cuts or budget.downgrade_at < 100:
                    room = block.room() + amount
                    if cuts:
                        terms.cuts.append((budget, room))
                    if _is_narrow(budget, budget.limit.most - room):
                        narrow = budget
            wants = self._wants(call, terms)
            if wants:
                narrow = self._reserve_in_ledger(call, wants, patience, terms) or narrow
        except BaseException:
            for block, amount in taken:
                block.give_back(amount)
            raise
        if taken:
            call.settle = partial(_settle, taken)
        return narrow

    def _wants(self, call: Call, terms: _Terms) -> list[tuple[Budget, Want]]:
        wants: list[tuple[Budget, Want]] = []
        for budget in self.budgets:
            holder = holder_of(budget.limit, call.record)
            if holder is None or budget in terms.waived:
                continue  # it counts the call all the same, when its span is stored
            amount = _amount(budget, call)
            if budget.limit.window != "call":
                wants.append((budget, Want(budget.limit, holder, amount)))
            elif amount > budget.limit.most:
                raise Refused(budget, _exceeded(budget, holder, wanted=amount))
        return wants

    def _reserve_in_ledger(
        self, call: Call, wants: list[tuple[Budget, Want]], patience: float, terms: _Terms
    ) -> Budget | None:
        assert self.ledger is not None
        record = call.record
        try:
            ledger = self.ledger()
            asked = [want for _, want in wants]
            refusal = ledger.store.limits.reserve(record.span_id, asked, record.start, patience)
            if refusal is not None:
                if not patience:
                    raise _Busy
                refusal = ledger.store.limits.reserve_after_drain(record.span_id, asked, record.start, patience)
        except StoreError as error:
            if not patience:
                raise _Busy from None
            closed = next((budget for budget, _ in wants if budget.on_unreachable == "stop"), None)
            if closed is None:
                return None
            raise Refused(closed, unreachable(closed, error)) from error
        if refusal is not None:
            budget = next(budget for budget, _ in wants if budget.limit is refusal.limit)
            raise Refused(budget, _of_refusal(refusal))
        call.undo = partial(_release, ledger, record.span_id)
        call.move = partial(_move, ledger, record.span_id)
        narrow: Budget | None = None
        for budget, want in wants:
            cuts = _cuts(budget, call)
            if not cuts and (budget.downgrade_at == 100 or not budget.downgrade):
                continue
            try:
                used = _used(ledger, budget, want, record.start, patience, exact=cuts)
            except StoreError:
                continue  # there was room
            if cuts:
                terms.cuts.append((budget, budget.limit.most - used))
            if _is_narrow(budget, used):
                narrow = budget
        return narrow


def _used(ledger: Ledger, budget: Budget, want: Want, start: int, patience: float, *, exact: bool) -> int:
    """What others than the call of `want` have used up of the budget, with what they hold.

    Calls that have ended hold what they reserved until their records are counted. That is done now if it matters: if
    it is what makes the budget narrow, or if it is to be told exactly.
    """
    limits = ledger.store.limits
    spent, reserved = limits.used(budget.limit, want.holder, start)
    held = reserved - want.amount
    if held > 0 and (exact or (_is_narrow(budget, spent + held) and not _is_narrow(budget, spent))):
        if not patience:
            raise _Busy
        ledger.store.drain(timeout=patience)
        spent, reserved = limits.used(budget.limit, want.holder, start)
    return spent + reserved - want.amount


def _stopped(call: Call, error: Exception) -> None:
    """Let `error` pass if it stops the call; a mistake of ours lets the call go on."""
    if isinstance(error, Stop):
        call.drop()
        raise error
    _guard.report("tollbook.budgets.admit")


class _Busy(Exception):  # noqa: N818 - inside only
    """The ledger could not be asked without waiting."""


def _changed(call: Call, refused: Refused, terms: _Terms) -> bool:
    """Whether the call may be asked for again, on other terms than those that were refused."""
    budget = refused.budget
    if budget.action == "downgrade" and terms.model is None and (model := _cheaper(budget, call)) is not None:
        _downgrade(call, model, terms)
        return True
    if budget.action == "ask" and budget.callback is not None and budget not in terms.waived:
        answer: Any = _guard.guarded(budget.callback)(Question(budget, call, refused.error))
        if hasattr(answer, "__await__"):
            answer.close()  # nobody waits for it, so it is no answer
        elif answer:
            terms.waived.append(budget)
            call.record.flags += ("beyond_budget",)
            return True
    return False


def _downgrade(call: Call, model: str, terms: _Terms) -> None:
    call.record.flags += ("downgraded",)
    call.record.request_model = terms.model = model


def _amount(budget: Budget, call: Call) -> int:
    """What to reserve for a call.

    Raises:
        Refused: Nobody can tell, and the budget does not allow that.
    """
    if budget.limit.unit == "calls":
        return 1
    if budget.ceiling is not None:
        return budget.ceiling
    record = call.record
    found = None if call.request is None else worst(budget.limit.unit, record, call.request)
    if found is not None:
        return found
    if budget.on_unpriced == "allow":
        return 0
    what = f"{record.request_model or 'the model'} has no known price" if budget.limit.unit == "usd" else "the request"
    reason = (
        f"nobody can tell what this call may come to ({what}, or nothing bounds its answer): "
        'set max_tokens, the budget\'s ceiling, or on_unpriced = "allow"'
    )
    raise Refused(budget, _exceeded(budget, holder_of(budget.limit, record) or "", reason=reason))


def _take(block: LocalBudget, call: Call, terms: _Terms) -> int:
    """What `call` has reserved in `block`, which it may go beyond where the program has said so."""
    waived = block.budget in terms.waived
    try:
        amount = _amount(block.budget, call)
    except Refused:
        if not waived:
            raise
        amount = 0
    if not block.take(amount, beyond=waived):
        raise Refused(block.budget, _of_block(block, amount))
    return amount


def _cheaper(budget: Budget, call: Call) -> str | None:
    return budget.downgrade.get(call.record.request_model or "")


def _cuts(budget: Budget, call: Call) -> bool:
    return call.record.stream and budget.on_stream == "stop" and budget.limit.unit != "calls"


def _is_narrow(budget: Budget, used: int) -> bool:
    return budget.downgrade_at < 100 and used * 100 >= budget.downgrade_at * budget.limit.most


def _settle(taken: Sequence[tuple[LocalBudget, int]], call: Call, record: Record | None) -> None:
    for block, amount in taken:
        call.reserved = amount
        block.settle(call, record)


def _release(ledger: Ledger, span_id: str) -> None:
    """Give back what a call reserved that will have no span."""
    try:
        ledger.store.limits.release(span_id, PATIENCE)
    except StoreError:
        _guard.report("tollbook.budgets.release")  # it is given back when the process ends


def _move(ledger: Ledger, span_id: str, other: str) -> Callable[[], None]:
    """Put what a call reserved under the id of the span that will say what it took; gives what gives it back."""
    try:
        ledger.store.limits.move(span_id, other, PATIENCE)
    except StoreError:
        _guard.report("tollbook.budgets.move")  # it is given back with the span of the call
    return partial(_release, ledger, other)


def unreachable(budget: Budget, error: StoreError) -> BudgetExceeded:
    """What a program gets whose budget stops while the ledger can't be asked."""
    return _exceeded(budget, "", reason=f"{error}, so nobody can tell what is left")


def _exceeded(budget: Budget, holder: str, *, wanted: int | None = None, reason: str = "") -> BudgetExceeded:
    limit = budget.limit
    return BudgetExceeded(limit.name, unit=limit.unit, limit=limit.most, wanted=wanted, holder=holder, reason=reason)


def _of_block(block: LocalBudget, wanted: int) -> BudgetExceeded:
    limit = block.budget.limit
    return BudgetExceeded(
        limit.name, unit=limit.unit, limit=limit.most, spent=block.used, reserved=block.held, wanted=wanted
    )


def _of_refusal(refusal: Refusal) -> BudgetExceeded:
    return BudgetExceeded(
        refusal.limit.name,
        unit=refusal.limit.unit,
        limit=refusal.limit.most,
        spent=refusal.spent,
        reserved=refusal.reserved,
        wanted=refusal.wanted,
        holder=refusal.holder,
        resets=refusal.resets,
    )


keeper = Keeper()
"""The one of this process."""
