"""Patches that can be found again, are made once, and can be taken back.

Built on wrapt. Two things are added: a mark, by which every copy of this library recognises its own patches
under those of other tools, and an undo that removes ours and nobody else's.
"""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import wrapt

from tollbook import _guard

MARK = "_self_tollbook"
"""Attribute of our wrappers; the prefix is what wrapt keeps on the wrapper itself."""

_lock = threading.RLock()

Wrapper = Callable[[Callable[..., Any], Any, tuple[Any, ...], dict[str, Any]], Any]


def _layers(function: Any) -> Iterator[Any]:
    """`function` and what it wraps, outermost first."""
    for _ in range(64):
        yield function
        function = getattr(function, "__wrapped__", None)
        if function is None:
            return


def is_ours(function: Any) -> bool:
    """Whether one of the layers of `function` is a patch of this library, of any copy of it."""
    return any(getattr(layer, MARK, False) is True for layer in _layers(function))


def wrap(owner: type, name: str, wrapper: Wrapper) -> bool:
    """Wrap method `name` of `owner` by a wrapt wrapper: for the outermost point, where other tools' wrappers meet.

    Returns:
        False if it is wrapped already.

    Raises:
        AttributeError: `owner` has no such method.
    """
    with _lock:
        if is_ours(vars(owner).get(name)):
            return False
        handle: Any = wrapt.wrap_function_wrapper(owner, name, wrapper)
        setattr(handle, MARK, True)
        return True


def replace(owner: type, name: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> bool:
    """Replace method `name` of `owner` by `make(original)`: for points inside a call, and for those of each event.

    A plain function costs a fifth of a wrapt wrapper.

    Returns:
        False if it is replaced already.

    Raises:
        AttributeError: `owner` has no such method.
    """
    with _lock:
        original = getattr(owner, name)
        if is_ours(original):
            return False
        function = make(original)
        for attribute in ("__module__", "__name__", "__qualname__", "__doc__"):
            setattr(function, attribute, getattr(original, attribute, None))
        function.__wrapped__ = original  # type: ignore[attr-defined]  # as functools.wraps does
        setattr(function, MARK, True)
        setattr(owner, name, function)
        return True


def undo(owner: type, name: str) -> bool:
    """Take our layer off method `name` of `owner`, and leave those of others.

    Returns:
        False if it could not be taken off, since somebody's plain function lies over it. It then stays, and has to
        pass calls through by itself.
    """
    with _lock:
        outer = None
        for layer in _layers(vars(owner).get(name)):
            if getattr(layer, MARK, False) is True:
                below = layer.__wrapped__
                if outer is None:
                    setattr(owner, name, below)
                elif isinstance(outer, wrapt.FunctionWrapper):
                    outer.__wrapped__ = below
                else:
                    return False
                return True
            outer = layer
        return True


def when_imported(name: str, hook: Callable[[ModuleType], None]) -> None:
    """Call `hook` with module `name` once it is imported, now if it is already; import nothing.

    What the hook raises never reaches the importing program.
    """

    def run(module: ModuleType) -> None:
        # In a thread that finds a module which another thread is still executing, wait for it.
        if getattr(module.__spec__, "_initializing", False):
            module = importlib.import_module(name)
        hook(module)

    run.__qualname__ = f"when_imported({name})"
    if name in sys.modules:
        _guard.guarded(run)(sys.modules[name])
    else:
        wrapt.register_post_import_hook(_guard.guarded(run), name)
