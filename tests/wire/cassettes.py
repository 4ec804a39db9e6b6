"""The exchanges in `cassettes/`: what a client asks, what the provider answers, and what that call amounts to."""

from __future__ import annotations

import base64
import json
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

DIRECTORY = Path(__file__).resolve().parents[2] / "cassettes"


class Exchange(NamedTuple):
    """One request and its response."""

    method: str
    path: str
    """As the provider's own host has it, without query: `/v1/chat/completions`."""
    body: dict[str, Any] | None
    """What to ask, as JSON (for multipart forms: the plain fields)."""
    status: int
    headers: dict[str, str]
    answer: Any
    """The response's JSON; a text; or None if it is a stream of `events`."""
    events: list[dict[str, Any]] | None
    """Server-sent events: `{"event": name?, "data": JSON or text}`."""
    content: bytes | None = None
    """A body to be sent as it is, binary or recorded."""


class Cassette(NamedTuple):
    """One file."""

    name: str
    source: str
    provider: str
    exchanges: list[Exchange]
    records: list[dict[str, Any]]
    """What the calls amount to, one entry per billed call; empty if it is free.

    Counts are inclusive: `input_tokens` has all tokens sent, cached or not. A missing number is zero, except for
    `input_tokens` and `output_tokens`, where null means that the provider does not say.
    """

    @property
    def body(self) -> dict[str, Any]:
        """What the first request asks."""
        return dict(self.exchanges[0].body or {})


@cache
def load(name: str) -> Cassette:
    """The cassette `cassettes/<name>.json`.

    Raises:
        FileNotFoundError: There is none.
    """
    raw = json.loads((DIRECTORY / f"{name}.json").read_text(encoding="utf-8"))
    exchanges = [_exchange(entry["request"], entry["response"]) for entry in raw["exchanges"]]
    return Cassette(name, raw["source"], raw["provider"], exchanges, raw["expect"]["records"])


def names() -> list[str]:
    """The names of all cassettes."""
    return sorted(path.stem for path in DIRECTORY.glob("*.json"))


def _exchange(request: dict[str, Any], response: dict[str, Any]) -> Exchange:
    return Exchange(
        request["method"],
        request["path"],
        request.get("body"),
        response["status"],
        response.get("headers", {}),
        response.get("body"),
        response.get("events"),
        base64.b64decode(response["base64"]) if "base64" in response else None,
    )
