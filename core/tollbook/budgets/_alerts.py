"""Telling of thresholds that were crossed: once each, from whichever process finds it out."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import http.client
import json
import logging
import os
import threading
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime
from queue import Full, Queue
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from tollbook import _guard
from tollbook._money import plain, show, to_usd
from tollbook.budgets._budget import Budget, restored
from tollbook.ledger import StoreError

if TYPE_CHECKING:
    from pathlib import Path

    from tollbook.ledger import Alert, Store

log = logging.getLogger("tollbook")

ATTEMPTS = 3
_PAUSES = (1.0, 5.0)
_TIMEOUT = 5.0
_WAITING = 100


class _Post(NamedTuple):
    url: str
    body: bytes
    headers: dict[str, str]
    store: Path
    """The ledger of the alert, ..."""
    alert: int
    """... and its number there."""


_posts: Queue[_Post] = Queue(_WAITING)
_thread: threading.Thread | None = None
_lock = threading.Lock()


class BudgetAlert(msgspec.Struct, frozen=True):
    """A budget has reached a threshold."""

    budget: str
    """Its name."""
    holder: str
    """Whose share of it; empty if all have one. For a budget per call, the span's id."""
    threshold: int
    """Percent of the limit."""
    unit: str
    """`usd`, `tokens` or `calls`."""
    spent: str
    """Exact, in the unit, when the threshold was found crossed."""
    limit: str
    window_start: str | None
    """ISO time, UTC; None: it has no beginning."""
    at: str
    """ISO time, UTC."""

    def __str__(self) -> str:
        whose = f" of {self.holder}" if self.holder else ""
        return f"budget {self.budget!r}{whose} is past {self.threshold}%: {self.spent} of {self.limit} {self.unit}"


def deliver(store: Store, budgets: dict[str, Budget]) -> None:
    """Tell of the alerts that nobody has told of; `budgets` are this process's own, with their callbacks.

    An alert whose callback lives in another process is left to that one. One that is to be posted is told of when that
    is done: if it can't be, or this process ends before, another one takes it up.
    """
    # What a callback raises to end the program ends the thread that calls it, and that may be the one that drains.
    own = threading.current_thread() is not threading.main_thread()
    tell = _guard.contained(_tell) if own else _guard.guarded(_tell)
    with contextlib.suppress(StoreError):
        for alert in reversed(store.limits.alerts(undelivered=True)):
            budget = budgets.get(alert.limit.name) or restored(alert.limit)
            if budget.action == "callback" and budget.callback is None:
                continue
            if store.limits.claim(alert.id):
                words = described(alert)
                if not alert.tries or budget.webhook is None:
                    tell(budget, words)
                if budget.webhook is None:
                    store.limits.confirm(alert.id)
                else:
                    _guard.guarded(_post)(budget, words, store.path, alert.id)


def _tell(budget: Budget, alert: BudgetAlert) -> None:
    log.warning("tollbook: %s", _worded(alert))
    if budget.action == "callback" and budget.callback is not None:
        budget.callback(alert)


def described(alert: Alert) -> BudgetAlert:
    """An alert of the ledger, in the words in which it is told."""
    unit = alert.limit.unit

    def amount(number: int) -> str:
        return plain(to_usd(number)) or "0" if unit == "usd" else str(number)

    return BudgetAlert(
        budget=alert.limit.name,
        holder=alert.holder,
        threshold=alert.threshold,
        unit=unit,
        spent=amount(alert.spent),
        limit=amount(alert.limit.most),
        window_start=_iso(alert.bucket) if alert.bucket else None,
        at=_iso(alert.at),
    )


def _worded(alert: BudgetAlert) -> str:
    from decimal import Decimal

    whose = f" of {alert.holder}" if alert.holder else ""
    if alert.unit == "usd":
        amounts = f"{show(Decimal(alert.spent))} of {show(Decimal(alert.limit))}"
    else:
        amounts = f"{int(alert.spent):,} of {int(alert.limit):,} {alert.unit}"
    return f"budget {alert.budget!r}{whose} is past {alert.threshold}%: {amounts}"


def _iso(nanoseconds: int) -> str:
    return datetime.fromtimestamp(nanoseconds / 1e9, UTC).isoformat(timespec="seconds")


# -- webhooks ---------------------------------------------------------------------------------------------------------


def _post(budget: Budget, alert: BudgetAlert, store: Path, number: int) -> None:
    """Hand the alert to the thread that posts; it has room for so many, and more are put off with a warning."""
    global _thread
    assert budget.webhook is not None
    body = json.dumps({"type": "tollbook.budget.alert", **msgspec.to_builtins(alert)}).encode()
    headers = {"Content-Type": "application/json", "User-Agent": "tollbook"}
    if budget.secret is not None:
        secret = os.environ.get(budget.secret)
        if not secret:
            log.warning(
                "tollbook did not post an alert of budget %r: the environment variable %s, with the key that signs it, "
                "is not set in this process",
                alert.budget,
                budget.secret,
            )
            return
        stamp = str(int(time.time()))
        signature = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
        headers |= {"Tollbook-Timestamp": stamp, "Tollbook-Signature": f"sha256={signature}"}
    try:
        _posts.put_nowait(_Post(budget.webhook, body, headers, store, number))
    except Full:
        log.warning("tollbook has too many alerts to post; one of budget %r was put off", alert.budget)
        return
    with _lock:
        if _thread is None or not _thread.is_alive():
            _thread = threading.Thread(target=_work, name="tollbook-webhooks", daemon=True)
            _thread.start()


def _work() -> None:
    while True:
        post = _posts.get()
        try:
            if _guard.guarded(_send)(post.url, post.body, post.headers):
                _guard.guarded(_confirm)(post.store, post.alert)
        finally:
            _posts.task_done()


def _confirm(path: Path, alert: int) -> None:
    """Say in the ledger that it was posted. The program may have left the ledger: it is opened for this alone."""
    from tollbook.ledger import open_store

    if path.exists():
        with contextlib.suppress(StoreError), open_store(path) as store:
            store.limits.confirm(alert)


class _Straight(urllib.request.HTTPRedirectHandler):
    """Follows nobody elsewhere: what was posted would be asked for there, without its body, and count as delivered."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:  # noqa: ARG002 - urllib's
        return None


def _send(url: str, body: bytes, headers: dict[str, str]) -> bool:
    """Post it; whether that is done with: another time it would be refused as well."""
    error: Any = None
    refused = False
    opener = urllib.request.build_opener(_Straight)
    for attempt in range(ATTEMPTS):
        request = urllib.request.Request(url, body, headers, method="POST")  # noqa: S310 - checked when it was read
        try:
            with opener.open(request, timeout=_TIMEOUT):
                return True
        except urllib.error.HTTPError as answer:
            error = f"HTTP {answer.code}"
            answer.close()
            refused = answer.code < 500 and answer.code != 429
            if refused:
                break
        except (OSError, ValueError, http.client.HTTPException) as failure:
            error = type(failure).__name__
        if attempt < ATTEMPTS - 1:
            time.sleep(_PAUSES[attempt])
    log.warning("tollbook could not post an alert to the budget's webhook: %s", error)
    return refused


def wait(timeout: float = 10.0) -> bool:
    """Wait until all posts are sent or given up; whether that was so in time."""
    until = time.monotonic() + timeout
    while _posts.unfinished_tasks and time.monotonic() < until:
        time.sleep(0.01)
    return not _posts.unfinished_tasks


def _after_fork() -> None:
    """The parent posts what it was about to."""
    global _posts, _thread, _lock
    _posts, _thread, _lock = Queue[_Post](_WAITING), None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
