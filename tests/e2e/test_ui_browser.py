"""The dashboard in a real browser: nothing on its console, no request elsewhere, both themes, the width of a phone.

They run where Playwright and a Chromium are installed (`apt-get install chromium`), and axe-core's checks where the
environment variable AXE_CORE names its `axe.min.js`; they are skipped elsewhere.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

for name in ("starlette", "uvicorn", "jinja2"):
    pytest.importorskip(name)
playwright = pytest.importorskip("playwright.sync_api")

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
AXE = os.environ.get("AXE_CORE", "")
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]
PAGES = (
    "/",
    "/?by=user&metric=tokens&period=7d",
    "/breakdown",
    "/traces",
    "/sessions",
    "/prices",
    "/budgets",
    "/health",
)
SIZES = {"wide": (1300, 900), "phone": (360, 780)}

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a dashboard with sample data, in a process of its own, as people start it."""
    home = tmp_path_factory.mktemp("home")
    process = subprocess.Popen(
        [sys.executable, "-c", "from tollbook.cli import main; main()", "ui", "--demo", "--no-browser"],
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


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", list(SIZES))
def test_every_page_loads_in_silence_and_fits(address: str, chromium: Any, scheme: str, size: str) -> None:
    with Visit(chromium, address, scheme, size) as visit:
        for path in (*PAGES, _a_trace(visit), "/prices/model?model=gpt-5&provider=openai"):
            page = visit.open(path)
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, f"{path} is too wide"
            assert page.locator("h1").count() == 1
            assert page.evaluate("[...document.querySelectorAll('th')].every(cell => cell.scope)"), path
        assert visit.wrong == []


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
        page = visit.open("/budgets")
        page.locator("#set summary").click()
        page.get_by_label("Name").fill("by hand")
        page.get_by_label("Limit", exact=True).fill("12")
        page.get_by_role("button", name="Set the budget").click()
        assert "holds now" in page.get_by_role("status").inner_text()
        page.on("dialog", lambda dialog: dialog.accept())
        page.get_by_role("button", name="Remove by hand").click()
        assert "holds no more" in page.get_by_role("status").inner_text()
        assert visit.wrong == []


@pytest.mark.skipif(not AXE, reason="AXE_CORE names no axe.min.js")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(address: str, chromium: Any, scheme: str) -> None:
    script = Path(AXE).read_text(encoding="utf-8")
    with Visit(chromium, address, scheme) as visit:
        for path in (
            *PAGES,
            _a_trace(visit),
            "/prices/model?model=gpt-5&provider=openai",
            "/prices?name=x",
            "/prices/reprice?model=gpt-5",
        ):
            page = visit.open(path)
            page.evaluate(f"{script}; undefined")
            found = page.evaluate("axe.run().then(found => found.violations)")
            said = [(each["id"], [node["html"][:200] for node in each["nodes"][:3]]) for each in found]
            assert said == [], f"{path}: {json.dumps(said, indent=1)}"
