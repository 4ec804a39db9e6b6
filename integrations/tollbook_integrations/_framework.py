"""Frameworks that tell of what they do by hooks of their own: one integration for all of them.

What is put into a hook is loaded when the framework is imported: a program that does not use it does not wait for it.
"""

from __future__ import annotations

import atexit
import importlib
import os
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

from tollbook import _patch
from tollbook._instrument import Settings

if TYPE_CHECKING:
    from tollbook.spans import Runs


class Hooks(Protocol):
    """Our part in one framework: what its hooks call, and the runs that are open. Made with its `Framework`."""

    runs: Runs

    def attach(self, module: ModuleType) -> bool:
        """Put it into the framework, unless it is there; False if `module` is another one of the same name."""
        ...

    def detach(self, module: ModuleType) -> None:
        """Take it out again."""


class Framework:
    """The integration of one framework."""

    def __init__(self, name: str, library: str, hooks: str, *, place: str, module: str | None = None) -> None:
        """Describe a framework.

        Args:
            name: Of the integration.
            library: The requirement that is tested.
            hooks: Where its class of `Hooks` is: `module:class`.
            place: The hook, as `state` names it.
            module: What has to be imported for the hook to be there; its name if absent.
        """
        self.name = name
        self.library = library
        self.module = module or name
        self.on = False
        self.settings = Settings()
        self._code = hooks
        self._place = place
        self._waiting = False
        self._state = "off"
        self._hooks: Any = None

    @property
    def hooks(self) -> Any:
        """Our part in it, of the class that was named; for when the framework has been imported."""
        if self._hooks is None:
            module, _, name = self._code.partition(":")
            made: Hooks = getattr(importlib.import_module(module), name)(self)
            self._hooks = made
            atexit.register(made.runs.end)
            if hasattr(os, "register_at_fork"):
                os.register_at_fork(after_in_child=made.runs.forget)
        return self._hooks

    def install(self, settings: Settings) -> None:
        """Put our part in now, or when the framework is imported."""
        self.settings = settings
        self.on = True
        if self.module in sys.modules or not self._waiting:
            self._waiting = True
            _patch.when_imported(self.module, self._attach)

    def uninstall(self) -> None:
        """Take it out; what is still open ends."""
        self.on = False
        self._state = "off"
        module = sys.modules.get(self.module)
        if module is not None and self._hooks is not None:
            self._hooks.detach(module)
            self._hooks.runs.end()

    def state(self) -> dict[str, str]:
        """Whether it is there: `on`, `off`, `waiting for import` or `failed`."""
        waiting = self.on and self._state == "off"
        return {self._place: "waiting for import" if waiting else self._state}

    def _attach(self, module: ModuleType) -> None:
        if self.on:
            self._state = "failed"
            self._state = "on" if self.hooks.attach(module) else "off"
