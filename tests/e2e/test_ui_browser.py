"""The dashboard in a real browser: nothing on its console, no request elsewhere, both themes, the width of a phone.

`python3 dev.py check` installs what they need; elsewhere they are skipped, saying what is missing. They leave a picture
of every page in `.artefacts/dashboard`, for people to look at.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.commands import TRACE, family, priced, put
from tests.records import call

for name in ("starlette", "uvicorn", "jinja2"):
    pytest.importorskip(name)
playwright = pytest.importorskip("playwright.sync_api")
axe = pytest.importorskip("axe_playwright_python.sync_playwright")

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]
PAGES = {
    "overview": "/",
    "overview-tokens": "/?by=user&metric=tokens&period=7d",
    "breakdown": "/breakdown",
    "savings": "/breakdown/savings",
    "what-if": "/breakdown/what-if?old=gpt-5&new=gpt-5-mini",
    "traces": "/traces",
    "traces-dearest": "/traces?sort=cost&where=feature%3Dsearch",
    "sessions": "/sessions",
    "sessions-dearest": "/sessions?sort=cost",
    "prices": "/prices",
    "prices-define": "/prices?name=x",
    "price": "/prices/model?model=gpt-5&provider=openai",
    "reprice": "/prices/reprice?model=gpt-5",
    "budgets": "/budgets",
    "health": "/health",
    "nothing": "/?where=model%3Dno-such-model",
}
SIZES = {"wide": (1300, 900), "phone": (360, 780)}
PICTURES = Path(__file__).resolve().parents[2] / ".artefacts" / "dashboard"

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium (on Debian: apt-get install chromium)")


@contextmanager
def served(home: Path, *arguments: str) -> Iterator[str]:
    """The address of a dashboard in a process of its own, as people start it."""
    process = subprocess.Popen(
        [sys.executable, "-c", "from tollbook.cli import main; main()", "ui", "--no-browser", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "HOME": str(home), "XDG_CONFIG_HOME": str(home), "XDG_DATA_HOME": str(home)},
    )
    assert process.stdout is not None
    try:
        found = re.search(r"http://127\.0\.0\.1:\d+/\?token=\S+", process.stdout.readline())
        assert found
        yield found[0]
    finally:
        process.terminate()
        process.wait(timeout=20)
        process.stdout.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A dashboard with sample data."""
    with served(tmp_path_factory.mktemp("home"), "--demo") as found:
        yield found


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A dashboard over names and numbers that no layout likes."""
    home = tmp_path_factory.mktemp("home")
    names = [
        "W" * 300,
        "<script>alert(1)</script>\"'>",
        "\u05e9\u05dc\u05d5\u05dd " * 9,
        "\U0001f9fe",
        "x" * 40,
        " ",
        "a\nb",
    ]
    now = time.time_ns() - 600_000_000_000
    records = [
        priced(
            name,
            pico,
            start=now + number,
            name=name,
            provider=names[number % 3],
            attribution={
                "feature": name,
                "user": names[-1 - number % 7],
                "session": name,
                "org": name,
                "team" * 30: name,
            },
        )
        for number, name in enumerate(names * 2)
        for pico in (1, 8_123_456_789_000_000_007)
    ]
    for number, each in enumerate(family(attribution={"session": names[0]})):
        each.start, each.name = now + number, names[number % 2]
        records.append(each)
    put(home / "ledger.db", *records, call(start=now, response_model=names[0], cost=None, error=names[1]))
    with served(home, "--store", str(home / "ledger.db")) as found:
        yield found


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A dashboard on the first day."""
    home = tmp_path_factory.mktemp("home")
    with served(home, "--store", str(home / "ledger.db")) as found:
        yield found


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


class Visit:
    """A browser that has the cookie, and all that it complained of."""

    def __init__(self, chromium: Any, address: str, scheme: str = "light", size: str = "wide", **options: Any) -> None:
        width, height = SIZES[size]
        self.base = address.partition("/?")[0]
        self.context = chromium.new_context(color_scheme=scheme, viewport={"width": width, "height": height}, **options)
        self.page = self.context.new_page()
        self.wrong: list[str] = []
        self.page.on("console", lambda message: self.wrong.append(message.text))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("request", lambda request: self._look(request.url))
        self.page.goto(address)

    def _look(self, url: str) -> None:
        if not url.startswith(self.base):
            self.wrong.append(f"asked for {url}")

    def open(self, path: str) -> Any:
        assert self.page.goto(self.base + path).status == 200, path
        return self.page

    def __enter__(self) -> Visit:
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()


def _a_trace(visit: Visit) -> str:
    link = visit.open("/traces?where=feature%3Dcode%20review").locator("tbody th a").first
    return str(link.get_attribute("href"))


def _look(visit: Visit, pages: dict[str, str], name: str) -> None:
    """Every page fits into the window, complains of nothing, and breaks no rule of axe-core's."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    for title, path in pages.items():
        page = visit.open(path)
        page.screenshot(path=PICTURES / f"{title}-{name}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, f"{path} is too wide"
        assert page.locator("h1").count() == 1
        assert page.evaluate("[...document.querySelectorAll('th')].every(cell => cell.scope)"), path
        broken = axe.Axe().run(page).response["violations"]
        said = [(each["id"], [node["html"][:200] for node in each["nodes"][:3]]) for each in broken]
        assert said == [], f"{path}: {json.dumps(said, indent=1)}"
    assert visit.wrong == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", list(SIZES))
def test_every_page_is_in_order(address: str, chromium: Any, scheme: str, size: str) -> None:
    with Visit(chromium, address, scheme, size) as visit:
        _look(visit, {**PAGES, "trace": _a_trace(visit)}, f"{scheme}-{size}")


@pytest.mark.parametrize(("scheme", "size"), [("dark", "wide"), ("light", "phone")])
def test_every_page_is_in_order_whatever_names_and_numbers_it_shows(
    hostile: str, chromium: Any, scheme: str, size: str
) -> None:
    with Visit(chromium, hostile, scheme, size) as visit:
        _look(visit, {**PAGES, "trace": f"/traces/{TRACE}"}, f"hostile-{scheme}-{size}")


def test_every_page_is_in_order_where_nothing_was_recorded_yet(empty: str, chromium: Any) -> None:
    with Visit(chromium, empty, "dark", "phone") as visit:
        _look(visit, PAGES, "empty-dark-phone")


def test_the_theme_follows_the_system_until_somebody_says_otherwise(address: str, chromium: Any) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    with Visit(chromium, address, "light") as light, Visit(chromium, address, "dark") as dark:
        colours = [visit.open("/").evaluate(background) for visit in (light, dark)]
        assert colours[0] != colours[1]
        light.page.get_by_role("button", name="Dark").click()
        assert light.page.evaluate(background) == colours[1]
        assert light.open("/traces").evaluate(background) == colours[1], "the next page remembers"


def test_it_works_without_a_mouse(address: str, chromium: Any) -> None:
    with Visit(chromium, address) as visit:
        page = visit.open("/")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"
        select = page.get_by_label("Group by")
        select.focus()
        with page.expect_navigation():
            select.select_option("feature")
        assert "by=feature" in page.url
        page = visit.open("/prices")
        page.keyboard.press("/")
        assert page.evaluate("document.activeElement.name") == "search"
        assert visit.wrong == []


@pytest.mark.parametrize("size", list(SIZES))
def test_a_filter_is_set_and_left_by_keyboard(address: str, chromium: Any, size: str) -> None:
    with Visit(chromium, address, size=size) as visit:
        page = visit.open("/breakdown/what-if?cache=no")
        opener = page.get_by_text("Filter", exact=True)
        opener.focus()
        page.keyboard.press("Enter")
        assert page.locator(".panel").is_visible()
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, "it fits"
        page.keyboard.press("Tab")
        page.keyboard.press("Escape")
        assert not page.locator(".panel").is_visible()
        assert page.evaluate("document.activeElement.textContent") == "Filter"
        page.keyboard.press("Enter")
        for text in ("model", "gpt-5"):
            page.keyboard.press("Tab")
            page.keyboard.type(text)
        with page.expect_navigation():
            page.keyboard.press("Enter")
        assert page.url.endswith("/breakdown/what-if?cache=no&where=model%3Dgpt-5"), "and the question stays"
        assert visit.wrong == []


def test_it_works_without_scripts(address: str, chromium: Any) -> None:
    with Visit(chromium, address, java_script_enabled=False) as visit:
        page = visit.open("/")
        assert page.locator(".plot rect.s0").count() > 5, "the chart is there"
        page.get_by_label("Group by").select_option("feature")
        with page.expect_navigation():
            page.get_by_role("button", name="Show").click()
        assert "by=feature" in page.url


def test_a_bar_tells_what_it_is_made_of_and_leads_to_its_day(address: str, chromium: Any) -> None:
    with Visit(chromium, address) as visit:
        page = visit.open("/")
        bar = page.locator(".plot a").nth(10)
        bar.locator(".hit").hover()
        assert "$" in page.locator("#tip").inner_text()
        with page.expect_navigation():
            bar.locator(".hit").click()
        assert "since=" in page.url
        assert visit.wrong == []


def test_a_price_and_a_budget_are_set_by_hand(address: str, chromium: Any) -> None:
    with Visit(chromium, address) as visit:
        page = visit.open("/prices")
        page.get_by_role("button", name="Give it a price").first.click()
        page.get_by_label("Input USD / 1M tokens", exact=True).fill("0.20")
        page.get_by_role("button", name="Save the price").click()
        assert "has a price now" in page.get_by_role("status").inner_text()
        page.get_by_role("link", name="Edit house-llama-70b").click()
        assert page.get_by_label("Input USD / 1M tokens", exact=True).input_value() == "0.20"
        page = visit.open("/budgets")
        page.locator("#set summary").click()
        page.get_by_label("Name").fill("by hand")
        page.get_by_label("Limit", exact=True).fill("12")
        page.get_by_role("button", name="Set the budget").click()
        assert "holds now" in page.get_by_role("status").inner_text()
        page.get_by_role("link", name="Edit by hand").click()
        page.get_by_label("Limit", exact=True).fill("20")
        page.get_by_role("button", name="Set the budget").click()
        page.get_by_role("row", name="by hand").get_by_text("$20.00").first.wait_for()
        page.on("dialog", lambda dialog: dialog.accept())
        page.get_by_role("button", name="Remove by hand").click()
        assert "holds no more" in page.get_by_role("status").inner_text()
        assert visit.wrong == []
