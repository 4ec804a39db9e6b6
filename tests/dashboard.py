"""The dashboard for tests: a browser that is none, and a ledger with all sorts of calls."""

from __future__ import annotations

import time
from html.parser import HTMLParser
from typing import Any

from starlette.testclient import TestClient
from tests.commands import family, priced, put
from tests.records import call

from tollbook.ledger import Store
from tollbook.pricing import Cost
from tollbook.usage import Usage
from tollbook.web import make_app

TOKEN = "a-token-of-the-tests"
HOST = "127.0.0.1:8642"
ORIGIN = f"http://{HOST}"
PAGES = (
    "/",
    "/breakdown",
    "/breakdown/savings",
    "/breakdown/what-if",
    "/traces",
    "/sessions",
    "/sessions?sort=cost",
    "/prices",
    "/budgets",
    "/health",
)
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{7*7}}\x1b[31m\u202e&amp;"


def client(store: Store, *, knows: bool = True, **options: Any) -> TestClient:
    """A browser; one that knows the token has opened the address with it."""
    app = make_app(store, token=TOKEN, hosts=[HOST], **options)
    browser = TestClient(app, base_url=ORIGIN, raise_server_exceptions=True)
    if knows:
        browser.get("/", params={"token": TOKEN})
    return browser


def today(**changes: Any) -> Any:
    return call(**({"start": time.time_ns() - 60_000_000_000} | changes))


def fill(store: Store) -> None:
    """Calls of a minute ago: priced, without a price, estimated, charged, failed, given up, and an agent's trace."""
    now = time.time_ns() - 60_000_000_000
    records = [
        priced("gpt-4o", 2_500_000_000, start=now, attribution={"feature": "search", "session": "s-1"}),
        priced("tiny", 1, start=now + 1, attribution={"feature": "chat", "session": "s-2"}),
        call(
            response_model="house-model",
            provider="ours",
            cost=Cost(status="unpriced"),
            usage=Usage({"input": 7}),
            start=now + 2,
        ),
        today(usage=Usage({"input": 9}, source="estimated", method="bytes/4", band=0.3)),
        today(usage=None, cost=None),
        today(status="abandoned", usage=None, cost=None),
        today(usage=Usage({"input": 9}, charge=50), cost=Cost(total=50, listed=30)),
        call(status="timeout", error="APITimeoutError", usage=None, cost=None, start=now + 3),
    ]
    for number, each in enumerate(family()):
        each.start = now + 10 + number
        records.append(each)
    put(store.path, *records)


class Page(HTMLParser):
    """What tests look at in a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def links(self) -> list[str]:
        return [attrs["href"] or "" for tag, attrs in self.tags if tag == "a" and attrs.get("href")]
