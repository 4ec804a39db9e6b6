"""Every way of calling the SDKs that the tests know, and what each amounts to.

A `Scenario` runs against a `Play` of its cassette, with or without metering, and returns what the host saw as plain
data: with the same SDK the two are equal. Every scenario works on all supported versions of the SDKs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from tests.wire.cassettes import load
from tests.wire.clients import Factory
from tests.wire.seen import seen
from tests.wire.server import Delivery, Play, Wire
from tests.wire.styles import STYLES, Style

Tokens = int | Literal["estimated"] | None
"""Exact; or the provider did not say, so that Tollbook estimates; or not a matter of tokens, or nothing is known."""


class Billed(NamedTuple):
    """One record that a call makes."""

    provider: str
    model: str | None
    """As the response names it; None if it doesn't."""
    input_tokens: Tokens
    output_tokens: Tokens
    status: str
    """As in `tollbook.spans.Record`."""
    stream: bool
    cost_usd: str | None
    """Exact, in decimals; None: not stated here."""
    details: dict[str, int]
    """Other numbers, in the words of the cassette: `cache_read_tokens`, `reasoning_tokens`, `retries`, ..."""


class Scenario(NamedTuple):
    """One way of calling, in one mode."""

    name: str
    cassette: str
    delivery: Delivery
    expect: tuple[Billed, ...]
    """What it amounts to: one for each call, free ones left out, failed ones (without usage) included."""
    shows_usage: bool
    """Whether the host itself sees the exact usage."""
    mode: Literal["sync", "async"]
    client: Factory
    call: Callable[[Any, dict[str, Any]], Any]
    style: Style
    body: dict[str, Any]

    @property
    def provider(self) -> str:
        """The provider that the cassette is of."""
        return load(self.cassette).provider

    def run(self, play: Play) -> Any:
        """Make the call as a host does, in this thread, and return what it saw."""
        try:
            if self.mode == "async":
                return asyncio.run(self._run_async(play))
            with self.client(play, False) as client:
                return self.style.sync(lambda: self.call(client, dict(self.body)))
        except Exception as error:
            return seen(error)

    def against(self, wire: Wire) -> Any:
        """`run`, on a fresh play of its cassette."""
        with wire.play(self.cassette, self.delivery) as play:
            return self.run(play)

    async def _run_async(self, play: Play) -> Any:
        async with self.client(play, True) as client:
            return await self.style.asynchronous(lambda: self.call(client, dict(self.body)))


def scenario(
    label: str,
    cassette: str,
    client: Factory,
    call: Callable[[Any, dict[str, Any]], Any],
    style: str | Style = "value",
    *,
    delivery: Delivery | None = None,
    modes: tuple[Literal["sync", "async"], ...] = ("sync", "async"),
    shows_usage: bool = True,
    times: int = 1,
    body: dict[str, Any] | None = None,
    **billed: Any,
) -> list[Scenario]:
    """A scenario for each mode.

    Args:
        label: What is special, after the provider's name.
        cassette: What is played.
        client: Makes the client.
        call: Makes the call with the client and the cassette's first request.
        style: What the host does with the result: a name in `STYLES`, or functions of its own.
        delivery: How the answer is sent.
        modes: In which modes it exists.
        shows_usage: Whether the host sees the exact usage.
        times: How often the same call is made.
        body: What to ask beside, or in place of, what the cassette asks.
        **billed: Fields of `Billed` that differ from what the cassette expects.
    """
    played = load(cassette)
    stream = any(exchange.events is not None for exchange in played.exchanges)
    records = [_billed(record, stream)._replace(**billed) for record in played.records] * times
    delivery = delivery or Delivery()
    if isinstance(style, str):
        style = STYLES[style]
    asked = {**played.body, **(body or {})}
    return [
        Scenario(f"{label}-{mode}", cassette, delivery, tuple(records), shows_usage, mode, client, call, style, asked)
        for mode in modes
    ]


_FIELDS = {"provider", "model", "input_tokens", "output_tokens", "status", "cost_usd", "cost_arithmetic"}


def _billed(record: dict[str, Any], stream: bool) -> Billed:
    return Billed(
        record["provider"],
        record["model"],
        record["input_tokens"],
        record["output_tokens"],
        record.get("status", "ok"),
        stream,
        record.get("cost_usd"),
        {name: count for name, count in record.items() if name not in _FIELDS},
    )


def _all() -> list[Scenario]:
    from tests.wire import scenarios_anthropic, scenarios_openai

    return [*scenarios_openai.SCENARIOS, *scenarios_anthropic.SCENARIOS]


def __getattr__(name: str) -> list[Scenario]:
    """`SCENARIOS`, all of them; late, since their modules import this one."""
    if name != "SCENARIOS":
        raise AttributeError(name)
    return _all()
