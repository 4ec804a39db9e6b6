"""Patches that can be found again, are made once, and can be taken back.

Built on wrapt. Two things are added: a mark, by which every copy of this library recognises its own patches
under those of other tools, and an undo that removes ours and nobody else's.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import sys
import threading
from collections.abc import Callable, Iterator
from types import CellType, CodeType, ModuleType
from typing import Any

import wrapt

from tollbook import _guard

MARK = "_self_tollbook"
"""Attribute by which our wrappers refer to themselves; the prefix is what wrapt keeps on the wrapper itself.

That a wrapper has it says nothing: `functools.wraps` copies the attributes of what it wraps, and wrapt shows them.
"""

CO_VARKEYWORDS = 0x08
"""As in `inspect`, which is long to import."""

_lock = threading.RLock()

Wrapper = Callable[[Callable[..., Any], Any, tuple[Any, ...], dict[str, Any]], Any]


def _layers(function: Any) -> Iterator[Any]:
    """`function` and what it wraps, outermost first."""
    for _ in range(64):
        if function is None:
            return
        yield function
        function = getattr(function, "__wrapped__", None)


def _marked(layer: Any) -> bool:
    # wrapt makes a wrapper anew where it binds one, and keeps the one it was made of as its parent.
    return any(each is not None and getattr(each, MARK, None) is each for each in (layer, _parent(layer)))


def _parent(layer: Any) -> Any:
    return getattr(layer, "_self_parent", None)


def _slot(owner: type, name: str) -> Any:
    """What lies under `name` in the class that gives it to `owner`, not bound to anything.

    Raises:
        AttributeError: `owner` has no such method.
    """
    for base in owner.__mro__:
        if name in vars(base):
            return vars(base)[name]
    raise AttributeError(f"{owner.__name__} has no {name}")


def takes(owner: type, name: str, arguments: tuple[str, ...]) -> bool:
    """Whether `owner` has a method `name` that takes all of these by their names, as far as it says."""
    try:
        *_, original = _layers(_slot(owner, name))
    except AttributeError:
        return False
    code: CodeType | None = getattr(original, "__code__", None)
    if code is None or code.co_flags & CO_VARKEYWORDS:
        return True
    return set(arguments) <= set(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])


def is_ours(function: Any) -> bool:
    """Whether one of the layers of `function` is a patch of this library, of any copy of it."""
    return any(map(_marked, _layers(function)))


def wrap(owner: type, name: str, wrapper: Wrapper) -> bool:
    """Wrap method `name` of `owner` by a wrapt wrapper: for points that are passed a few times, of any kind.

    Returns:
        False if it is wrapped already.

    Raises:
        AttributeError: `owner` has no such method.
    """
    with _lock:
        if is_ours(_slot(owner, name)):
            return False
        handle: Any = wrapt.wrap_function_wrapper(owner, name, wrapper)
        setattr(handle, MARK, handle)
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
        below = _slot(owner, name)
        if is_ours(below):
            return False
        function = make(getattr(owner, name))
        functools.update_wrapper(function, below)
        setattr(function, MARK, function)
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
            if _marked(layer):
                below = layer.__wrapped__
                if outer is None:
                    _put(owner, name, below)
                elif isinstance(outer, wrapt.FunctionWrapper):
                    outer.__wrapped__ = below
                else:
                    return False
                return True
            outer = layer
        return True


def _put(owner: type, name: str, method: Any) -> None:
    """Give `owner` the method, unless it would inherit it anyway."""
    inherited = next((vars(base)[name] for base in owner.__mro__[1:] if name in vars(base)), None)
    if method is inherited:
        delattr(owner, name)
    else:
        setattr(owner, name, method)


def copies(owner: type, name: str) -> Iterator[type]:
    """Subclasses of `owner` in which other tools' wrappers lie directly over the method `name` of `owner`.

    Such a wrapper was put on the subclass and holds the inherited function as it was then, by wrapt or in its closure,
    so that a later patch of `owner` does not reach the subclass. Subclasses that override the method and call it by
    `super()` are none of these.
    """
    *_, original = _layers(_slot(owner, name))
    found: list[type] = owner.__subclasses__()
    while found:
        kind = found.pop()
        found += kind.__subclasses__()
        layers = list(_layers(vars(kind).get(name)))
        if layers[-1:] == [original] and all(map(_holds, layers[:-1])):
            yield kind


def _holds(layer: Any) -> bool:
    """Whether `layer` calls the very function that it says to wrap, not whatever is in its place by then."""
    if isinstance(layer, wrapt.FunctionWrapper):
        return True
    cells: tuple[CellType, ...] = getattr(layer, "__closure__", None) or ()
    with contextlib.suppress(ValueError):  # a variable without a value
        return any(cell.cell_contents is layer.__wrapped__ for cell in cells)
    return False


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
    safe = _guard.guarded(run)
    module = sys.modules.get(name)
    if module is None:
        wrapt.register_post_import_hook(safe, name)
    else:
        safe(module)
