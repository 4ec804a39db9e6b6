"""The physical reference: the least that a meter in Python can do and still have the numbers on disk.

wrapt around the call, usage read from the raw object, two clocks, ids, one append to a queue, and a thread that puts
rows into SQLite in batches. It has no price, no context, no streams, and loses what is queued when the process dies.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from random import getrandbits
from typing import Any

import wrapt


def from_json(data: Any) -> tuple[Any, ...]:
    usage = data["usage"]
    read, reasoned = usage["prompt_tokens_details"], usage["completion_tokens_details"]
    counts = usage["prompt_tokens"], read["cached_tokens"], usage["completion_tokens"], reasoned["reasoning_tokens"]
    return data["model"], *counts


def from_chat(data: Any) -> tuple[Any, ...]:
    usage = data.usage
    read, reasoned = usage.prompt_tokens_details, usage.completion_tokens_details
    return data.model, usage.prompt_tokens, read.cached_tokens, usage.completion_tokens, reasoned.reasoning_tokens


def from_message(data: Any) -> tuple[Any, ...]:
    usage = data.usage
    return data.model, usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens, 0


class Reference:
    def __init__(self, path: Path) -> None:
        self.queue: deque[tuple[Any, ...]] = deque()
        self.path = path
        self.stop = False
        self.asked = 0
        self.done = 0
        self.wake = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.handle: Any = None
        self.owner: Any = None
        self.inherits = False

    def patch(self, owner: type, name: str, numbers: Callable[[Any], tuple[Any, ...]] = from_json) -> None:
        """Meter the method `name` of `owner`, of whose results `numbers` gives the model and the tokens."""
        queue, wake = self.queue, self.wake

        def wrapper(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
            start = time.time_ns()
            t = time.perf_counter_ns()
            data = wrapped(*args, **kwargs)
            took = time.perf_counter_ns() - t
            queue.append((getrandbits(63), getrandbits(63), start, took, *numbers(data)))
            if len(queue) == 500:
                wake.set()
            return data

        self.owner = owner
        self.inherits = name not in vars(owner)
        self.handle = wrapt.wrap_function_wrapper(owner, name, wrapper)
        self.name = name
        if not self.thread.is_alive():
            self.thread.start()

    def unpatch(self) -> None:
        if self.inherits:
            delattr(self.owner, self.name)
        else:
            setattr(self.owner, self.name, self.handle.__wrapped__)

    def _run(self) -> None:
        self.db = sqlite3.connect(self.path)
        self.db.execute("pragma journal_mode=wal")
        self.db.execute("pragma synchronous=normal")
        self.db.execute("create table span (t, s, start, duration, model, i, c, o, r)")
        self.db.execute("create index ix_t on span (t)")
        self.db.execute("create index ix_s on span (start)")
        while not self.stop:
            self.wake.wait(1)
            self.wake.clear()
            asked = self.asked
            self.flush_here()
            self.done = asked

    def flush_here(self) -> None:
        rows = []
        while self.queue:
            rows.append(self.queue.popleft())
        if rows:
            with self.db:
                self.db.executemany("insert into span values (?,?,?,?,?,?,?,?,?)", rows)

    def flush(self) -> None:
        """Wait until the rows are in SQLite: what still runs afterwards would be counted to whoever comes next."""
        self.asked += 1
        self.wake.set()
        while self.done < self.asked:
            time.sleep(0.001)
