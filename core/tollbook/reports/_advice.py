"""One piece of advice: what was seen, what it comes to, and what of that is known."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal, NamedTuple

import msgspec

from tollbook._money import plain, to_usd

FEW = 30
"""Calls below which a piece of advice says that it rests on few."""


class Step(NamedTuple):
    """One line of the arithmetic."""

    text: str
    value: str


class Advice(msgspec.Struct, kw_only=True, frozen=True):
    """One place where money can be saved. Amounts are exact USD; None is unknown, never zero."""

    signal: str
    """`cheaper_model`, `cut_output`, `growing_context`, `uncached_input`, `unread_writes`, `failed_calls` or
    `repeated_prefix`."""
    about: dict[str, str | None]
    """What it is about: provider, model, feature, agent, ..."""
    text: str
    """What was seen, in one sentence."""
    arithmetic: tuple[Step, ...]
    """How the numbers come about."""
    basis: Literal["known", "guessed"]
    """Whether all of it was recorded, or something was taken for granted."""
    guess: str = ""
    """What was taken for granted."""
    calls: int = 0
    """How many calls it rests on."""
    cost: Decimal | None = None
    """What these calls cost, by the list where the provider stated a charge."""
    saving: Decimal | None = None
    """What could have been saved at most; None where nobody can tell."""

    @property
    def small_sample(self) -> bool:
        """Whether it rests on fewer than 30 calls."""
        return self.calls < FEW

    def as_dict(self) -> dict[str, Any]:
        """As plain data; money as decimal text."""
        return {
            "signal": self.signal,
            "about": dict(self.about),
            "text": self.text,
            "arithmetic": [step._asdict() for step in self.arithmetic],
            "basis": self.basis,
            "guess": self.guess,
            "calls": self.calls,
            "small_sample": self.small_sample,
            "cost_usd": plain(self.cost),
            "saving_usd": plain(self.saving),
        }


def usd(pico: int | None) -> Decimal | None:
    """Pico-dollars as USD."""
    return None if pico is None else to_usd(pico)


def said(pico: int | None) -> str:
    """An exact amount for a line of arithmetic."""
    return "unknown" if pico is None else f"{plain(to_usd(pico))} USD"
