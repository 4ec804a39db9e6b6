"""Our cassettes in the form of vcrpy, for whoever replays them that way; written when needed, so kept only once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml
from tests.wire import framing
from tests.wire.cassettes import Cassette, Exchange
from tests.wire.server import as_openai_sends


def write(cassette: Cassette, origin: str, directory: Path) -> Path:
    """Write the cassette, as if recorded from `origin`, to a file in `directory`; the file."""
    interactions = [_interaction(exchange, origin) for exchange in cassette.exchanges]
    path = directory / f"{cassette.name}.yaml"
    path.write_text(yaml.safe_dump({"version": 1, "interactions": interactions}), encoding="utf-8")
    return path


def _interaction(exchange: Exchange, origin: str) -> dict[str, Any]:
    return {
        "request": {
            "method": exchange.method,
            "uri": origin + exchange.path,
            "headers": {},
            "body": json.dumps(exchange.body) if exchange.body else None,
        },
        "response": {
            "status": {"code": exchange.status, "message": ""},
            "headers": {name: [text] for name, text in exchange.headers.items()},
            "body": {"string": _content(exchange)},
        },
    }


def _content(exchange: Exchange) -> str:
    if exchange.events is not None:
        events = as_openai_sends(exchange.events, exchange.body or {})
        return b"".join(map(framing.sse, events)).decode()
    return exchange.answer if isinstance(exchange.answer, str) else json.dumps(exchange.answer)
