"""Patches: made once, found again under other tools' wrappers, and taken back without theirs."""

from __future__ import annotations

import functools
import inspect
import sys
import threading
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import wrapt

from tollbook import _guard, _patch


def fresh() -> tuple[type, type]:
    """A class with methods, and a subclass that inherits them."""

    class Base:
        def plain(self, number: int, *, factor: int = 1) -> int:
            """Multiply."""
            return number * factor

        async def slow(self, number: int) -> int:
            """Wait."""
            return number

    class Below(Base):
        pass

    return Base, Below


def plus_one(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    return wrapped(*args, **kwargs) + 1


def plus_one_plain(original: Callable[..., Any]) -> Callable[..., Any]:
    def other_name(self: Any, *args: Any, **kwargs: Any) -> Any:
        return original(self, *args, **kwargs) + 1

    return other_name


def slow_plus_one(original: Callable[..., Any]) -> Callable[..., Any]:
    async def other_name(self: Any, *args: Any) -> Any:
        return await original(self, *args) + 1

    return other_name


def with_wrapt(owner: type, name: str) -> None:
    """What most other tools do."""
    wrapt.wrap_function_wrapper(owner, name, lambda wrapped, instance, args, kwargs: wrapped(*args, **kwargs) * 10)


def with_wraps(owner: type, name: str) -> None:
    """What some other tools do."""
    below = getattr(owner, name)

    @functools.wraps(below)
    def theirs(self: Any, *args: Any, **kwargs: Any) -> Any:
        return below(self, *args, **kwargs) * 10

    setattr(owner, name, theirs)


def with_closure(owner: type, name: str) -> None:
    """What careless tools do."""
    below = getattr(owner, name)
    setattr(owner, name, lambda self, *args, **kwargs: below(self, *args, **kwargs) * 10)


OURS = {
    "wrap": lambda owner, name: _patch.wrap(owner, name, plus_one),
    "replace": lambda owner, name: _patch.replace(owner, name, plus_one_plain),
}
THEIRS = {"wrapt": with_wrapt, "wraps": with_wraps, "closure": with_closure}
each_of_ours = pytest.mark.parametrize("ours", OURS.values(), ids=OURS.keys())


@each_of_ours
def test_a_patch_is_made_once_and_undo_gives_the_very_original_back(ours: Any) -> None:
    owner, _ = fresh()
    original = vars(owner)["plain"]
    assert ours(owner, "plain") is True
    assert ours(owner, "plain") is False
    assert owner().plain(2, factor=3) == 7
    assert _patch.undo(owner, "plain") is True
    assert vars(owner)["plain"] is original


@each_of_ours
def test_a_method_that_is_inherited_is_inherited_again_after_undo(ours: Any) -> None:
    owner, below = fresh()
    assert ours(below, "plain")
    assert (below().plain(2), owner().plain(2)) == (3, 2)
    assert _patch.undo(below, "plain")
    assert "plain" not in vars(below)


@each_of_ours
def test_what_is_not_patched_is_left_alone_by_undo(ours: Any) -> None:
    owner, below = fresh()
    with_wrapt(owner, "plain")
    theirs = vars(owner)["plain"]
    assert _patch.undo(owner, "plain")
    assert _patch.undo(below, "plain")
    assert vars(owner)["plain"] is theirs


@each_of_ours
def test_a_missing_method_is_an_attribute_error(ours: Any) -> None:
    owner, _ = fresh()
    with pytest.raises(AttributeError, match="absent"):
        ours(owner, "absent")


@each_of_ours
@pytest.mark.parametrize("theirs", THEIRS.values(), ids=THEIRS.keys())
def test_undo_leaves_a_wrapper_that_lies_below_ours(ours: Any, theirs: Any) -> None:
    owner, _ = fresh()
    theirs(owner, "plain")
    below = vars(owner)["plain"]
    assert ours(owner, "plain")
    assert owner().plain(2) == 21
    assert _patch.undo(owner, "plain")
    assert vars(owner)["plain"] is below
    assert owner().plain(2) == 20


@each_of_ours
def test_undo_takes_ours_out_from_under_a_wrapt_wrapper(ours: Any) -> None:
    owner, _ = fresh()
    assert ours(owner, "plain")
    with_wrapt(owner, "plain")
    above = vars(owner)["plain"]
    assert owner().plain(2) == 30
    assert _patch.undo(owner, "plain") is True
    assert vars(owner)["plain"] is above
    assert owner().plain(2) == 20
    assert not _patch.is_ours(above)


@each_of_ours
@pytest.mark.parametrize("theirs", [with_wraps, with_closure])
def test_undo_never_removes_a_plain_wrapper_that_lies_over_ours(ours: Any, theirs: Any) -> None:
    owner, _ = fresh()
    assert ours(owner, "plain")
    theirs(owner, "plain")
    above = vars(owner)["plain"]
    _patch.undo(owner, "plain")
    assert vars(owner)["plain"] is above
    assert owner().plain(2) == 30


@each_of_ours
@pytest.mark.parametrize("theirs", [with_wrapt, with_wraps])
def test_a_patch_is_found_under_the_wrapper_of_another_tool_and_not_made_twice(ours: Any, theirs: Any) -> None:
    owner, _ = fresh()
    assert ours(owner, "plain")
    theirs(owner, "plain")
    assert ours(owner, "plain") is False
    assert owner().plain(2) == 30


@each_of_ours
def test_undo_under_a_plain_wrapper_says_that_ours_stays(ours: Any) -> None:
    owner, _ = fresh()
    assert ours(owner, "plain")
    with_wraps(owner, "plain")
    assert _patch.undo(owner, "plain") is False


@each_of_ours
def test_a_patched_method_keeps_name_signature_and_annotations(ours: Any) -> None:
    owner, _ = fresh()
    bare = owner.plain
    before = [getattr(bare, name) for name in ("__name__", "__qualname__", "__module__", "__doc__")]
    signature, hints = inspect.signature(bare), typing.get_type_hints(bare)
    assert ours(owner, "plain")
    patched = owner.plain
    assert [getattr(patched, name) for name in ("__name__", "__qualname__", "__module__", "__doc__")] == before
    assert inspect.signature(patched) == signature
    assert inspect.signature(owner().plain) == signature.replace(parameters=list(signature.parameters.values())[1:])
    assert typing.get_type_hints(patched) == hints
    assert inspect.unwrap(patched) is bare


async def test_a_patched_coroutine_function_still_is_one() -> None:
    owner, _ = fresh()

    async def plus(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        return await wrapped(*args, **kwargs) + 1

    for put in (lambda: _patch.replace(owner, "slow", slow_plus_one), lambda: _patch.wrap(owner, "slow", plus)):
        assert put()
        assert inspect.iscoroutinefunction(owner.slow)
        assert inspect.iscoroutinefunction(owner().slow)
        assert await owner().slow(1) == 2
        assert _patch.undo(owner, "slow")


def test_of_many_threads_one_makes_the_patch() -> None:
    owner, _ = fresh()
    barrier = threading.Barrier(8)
    made: list[bool] = []

    def work() -> None:
        barrier.wait()
        made.append(_patch.wrap(owner, "plain", plus_one))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == [False] * 7 + [True]
    assert owner().plain(2) == 3


def test_another_copy_of_the_library_is_recognised() -> None:
    owner, _ = fresh()
    source = Path(_patch.__file__).read_text(encoding="utf-8")
    copy = ModuleType("vendored_patch")
    exec(compile(source, "vendored_patch", "exec"), vars(copy))
    assert copy.wrap(owner, "plain", plus_one)
    assert _patch.wrap(owner, "plain", plus_one) is False
    assert _patch.replace(owner, "plain", plus_one_plain) is False


# ---- wrappers on a subclass ----------------------------------------------------------------------------------


def test_a_wrapper_that_another_tool_put_on_a_subclass_is_found() -> None:
    owner, below = fresh()

    class Deeper(below):  # type: ignore[misc,valid-type]
        pass

    wrapt.wrap_function_wrapper(Deeper, "plain", plus_one)
    assert list(_patch.copies(owner, "plain")) == [Deeper]
    assert _patch.wrap(owner, "plain", plus_one)
    assert list(_patch.copies(owner, "plain")) == [Deeper]


def test_a_function_that_another_tool_put_on_a_subclass_is_found() -> None:
    owner, below = fresh()

    def put(kind: Any) -> None:
        original = kind.plain

        @functools.wraps(original)
        def plain(*args: Any, **kwargs: Any) -> int:
            return int(original(*args, **kwargs))

        kind.plain = plain

    put(below)
    assert list(_patch.copies(owner, "plain")) == [below]
    assert _patch.replace(owner, "plain", plus_one_plain)
    assert below().plain(2) == 2, "it holds what it found"
    assert _patch.replace(below, "plain", plus_one_plain)
    assert below().plain(2) == 3
    assert list(_patch.copies(owner, "plain")) == [below]
    assert _patch.undo(below, "plain")
    assert below().plain(2) == 2


def test_a_subclass_that_overrides_a_method_is_no_copy() -> None:
    owner, _ = fresh()

    class Own(owner):  # type: ignore[misc,valid-type]
        def plain(self, number: int, *, factor: int = 1) -> int:
            return int(super().plain(number, factor=factor))

    class Decorated(owner):  # type: ignore[misc,valid-type]
        @functools.wraps(owner.plain)
        def plain(self, *args: Any, **kwargs: Any) -> int:
            return int(super().plain(*args, **kwargs))

    class Wrapped(Own):
        pass

    wrapt.wrap_function_wrapper(Wrapped, "plain", plus_one)
    assert list(_patch.copies(owner, "plain")) == []


# ---- imports -------------------------------------------------------------------------------------------------


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], str]]:
    """Write a module with this body, and get its name; it can be imported until the test ends."""
    monkeypatch.syspath_prepend(tmp_path)
    written: list[str] = []

    def write(body: str) -> str:
        name = f"tollbook_probe_{len(written)}_{tmp_path.name.replace('-', '_')}"
        (tmp_path / f"{name}.py").write_text(body, encoding="utf-8")
        written.append(name)
        return name

    yield write
    for name in written:
        sys.modules.pop(name, None)


def test_a_hook_runs_when_its_module_is_imported_and_imports_nothing_itself(package: Any) -> None:
    name = package("value = 1")
    seen: list[int] = []
    _patch.when_imported(name, lambda module: seen.append(module.value))
    assert (seen, name in sys.modules) == ([], False)
    __import__(name)
    assert seen == [1]
    _patch.when_imported(name, lambda module: seen.append(module.value + 1))
    assert seen == [1, 2]


def test_a_module_that_must_not_be_imported_is_waited_for(package: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    name = package("value = 1")
    monkeypatch.setitem(sys.modules, name, None)
    seen: list[ModuleType] = []
    _patch.when_imported(name, seen.append)
    with pytest.raises(ImportError):
        __import__(name)
    assert seen == []


@pytest.mark.boundary
def test_what_a_hook_raises_never_reaches_the_import(package: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_guard, "failures", {})
    name = package("value = 1")

    def broken(module: ModuleType) -> None:
        raise ValueError("no")

    _patch.when_imported(name, broken)
    __import__(name)
    _patch.when_imported(name, broken)
    assert list(_guard.failures.values()) == [2]


def test_a_module_that_another_thread_is_executing_is_waited_for(package: Any) -> None:
    name = package("import tollbook_probe_events as e\ne.entered.set()\nassert e.leave.wait(10)\nvalue = 1\n")
    events = ModuleType("tollbook_probe_events")
    vars(events).update(entered=threading.Event(), leave=threading.Event())
    sys.modules["tollbook_probe_events"] = events
    importing = threading.Thread(target=__import__, args=(name,))
    seen: list[int] = []
    hooking = threading.Thread(target=_patch.when_imported, args=(name, lambda module: seen.append(module.value)))
    try:
        importing.start()
        assert events.entered.wait(10)
        hooking.start()
        hooking.join(0.1)
        assert seen == [], "the module is not finished yet"
    finally:
        events.leave.set()
        importing.join()
        if hooking.ident:
            hooking.join()
        del sys.modules["tollbook_probe_events"]
    assert seen == [1]
