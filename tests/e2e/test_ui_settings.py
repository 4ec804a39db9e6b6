"""Changes from the dashboard: prices and budgets are set, edited and removed, and nothing else is touched."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("starlette")
pytest.importorskip("jinja2")

from tests.commands import put
from tests.dashboard import ORIGIN, Page, client, fill
from tests.records import call

from tollbook.budgets import budget_from, stored
from tollbook.ledger import Store, open_store
from tollbook.pricing import definitions

HEADERS = {"origin": ORIGIN}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "ledger.db") as opened:
        yield opened


def test_a_budget_is_set_shown_and_removed(store: Store) -> None:
    fill(store)
    browser = client(store)
    headers = {"origin": ORIGIN}
    form = {"name": "each <user>", "unit": "usd", "most": "$1,000.50", "scope": "session", "window": "month"}
    page = browser.post("/budgets", data=form | {"zone": "Europe/Berlin", "action": "stop"}, headers=headers)
    assert page.status_code == 200
    assert "each &lt;user&gt;" in page.text
    (limit,) = store.limits.limits()
    assert (limit.most, limit.where, limit.window, limit.zone) == (
        1_000_500_000_000_000,
        {"session": "*"},
        "month",
        "Europe/Berlin",
    )
    page = browser.post("/budgets", data={"unit": "calls", "most": "lots"}, headers=headers)
    assert page.status_code == 400
    assert "Nothing was changed" in page.text
    assert browser.post("/budgets/remove", data={"name": "each <user>"}, headers=headers).status_code == 200
    assert store.limits.limits() == []
    assert browser.post("/budgets/remove", data={"name": "each <user>"}, headers=headers).status_code == 400


def test_a_model_without_a_price_gets_one(store: Store) -> None:
    fill(store)
    browser = client(store)
    page = browser.get("/prices")
    assert "house-model" in page.text
    assert 'value="house-model"' in page.text, "the button brings the name along"
    form = {"name": "house-model", "provider": "ours", "input": "2.50", "output": "10", "input_cache_read": ""}
    page = browser.post("/prices", data=form, headers={"origin": ORIGIN})
    assert page.status_code == 200
    assert "house-model has a price now" in page.text
    shown = browser.get("/prices/model", params={"model": "house-model", "provider": "ours"}).text
    assert "2.50" in shown
    assert "user" in shown
    asked = next(link for link in Page(page.text).links() if link.startswith("/prices/reprice"))
    assert "What would change" in browser.get(asked).text
    assert store.summary(where={"model": "house-model"})[0].unpriced == 1, "it was only looked at"
    page = browser.post("/prices/reprice", data={"model": "house-model"}, headers={"origin": ORIGIN})
    assert "What was changed" in page.text
    assert store.summary(where={"model": "house-model"})[0].total_cost == 7 * 2_500_000


@pytest.mark.parametrize("form", [{}, {"name": "x"}, {"name": "x", "input": "cheap"}, {"name": "x", "input": "-1"}])
def test_a_price_that_makes_no_sense_is_not_saved(store: Store, form: dict[str, str]) -> None:
    page = client(store).post("/prices", data=form, headers={"origin": ORIGIN})
    assert page.status_code == 400
    assert "Nothing was changed" in page.text


def test_a_form_that_is_too_long_is_refused(store: Store) -> None:
    answer = client(store).post("/budgets", data={"name": "x" * 100_000}, headers={"origin": ORIGIN})
    assert answer.status_code == 400


def test_prices_of_models_that_are_used_come_first(store: Store) -> None:
    put(store.path, call(provider="openai", request_model="o3", response_model="o3-2025-04-16"))
    text = client(store).get("/prices").text
    first = re.search(r'href="/prices/model\?model=([^&"]+)', text)
    assert first
    assert first[1] == "o3"
    assert text.count("used here</span>") == 1


def test_a_budget_is_edited_and_what_was_spent_stays_counted(store: Store) -> None:
    budget, _ = budget_from(
        {"name": "chat", "usd": "12.50", "scope": {"feature": "chat"}, "window": "day", "thresholds": [90]},
        "budgets.toml",
    )
    assert budget is not None
    store.limits.declare([stored(budget)])
    browser = client(store)
    (edit,) = [link for link in Page(browser.get("/budgets").text).links() if "edit=" in link]
    form = _form(browser.get(edit.partition("#")[0]).text, "/budgets")
    assert form | {"most": "20"} == {
        "name": "chat",
        "unit": "usd",
        "most": "20",
        "scope": "feature",
        "value": "chat",
        "window": "day",
        "zone": "",
        "thresholds": "90",
        "action": "warn",
    }
    assert browser.post("/budgets", data=form | {"most": "20"}, headers=HEADERS).status_code == 200
    (limit,) = store.limits.limits()
    assert (limit.most, limit.counter, limit.thresholds) == (20 * 10**12, budget.limit.counter, (90,))


def test_a_budget_that_says_more_than_the_form_can_is_not_edited_here(store: Store) -> None:
    tables = (
        {"name": "a", "usd": 1, "action": "downgrade", "downgrade": {"gpt-4o": "gpt-4o-mini"}},
        {"name": "b", "usd": 1, "scope": {"feature": "x", "user": "*"}},
    )
    for table in tables:
        budget, problems = budget_from(table, "budgets.toml")
        assert budget is not None, problems
        store.limits.declare([stored(budget)])
    browser = client(store)
    assert not [link for link in Page(browser.get("/budgets").text).links() if "edit=" in link]
    assert browser.get("/budgets?edit=a").status_code == 200


OWN = """schema = 1
# About the first.
[[model]]
name = "first"
price = { per = 1_000_000, input = 0.50, output = 2 }

# About the second, which has tiers.
[[model]]
name = "second"
price = { per = 1_000_000, input = 1 }
[[model.tier]]
when = { input_tokens = { gt = 128_000 } }
multiply = { input = 2 }

# About the third.
[[model]]
name = "third"
provider = "ours"
start_time = "2026-01-01"
source = "contract"
price = { per = 1_000_000, input = 3, cache_read = 0.30 }
"""


@pytest.fixture
def prices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The user's own file, with three definitions."""
    from tollbook.pricing import _own, reload_definitions

    path = _own.home() / "prices.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(OWN)
    reload_definitions()
    yield path
    path.unlink(missing_ok=True)
    reload_definitions()


def test_a_definition_is_edited_in_its_file_and_the_others_stay_as_they_are(store: Store, prices: Path) -> None:
    browser = client(store)
    edits = [link for link in Page(browser.get("/prices").text).links() if "edit=" in link]
    form = _form(browser.get(edits[-1].partition("#")[0]).text, "/prices")
    assert (form["name"], form["provider"], form["start_time"], form["source"]) == (
        *("third", "ours", "2026-01-01", "contract"),
    )
    assert (form["input"], form["output"], form["input_cache_read"]) == ("3", "", "0.30")
    page = browser.post("/prices", data=form | {"input": "4"}, headers=HEADERS)
    assert "third has a price now" in page.text
    text = prices.read_text()
    before, _, _ = OWN.partition("# About the third.")
    assert text.startswith(before), "what is before it is as it was"
    assert "input = 4" in text
    assert "input = 3" not in text
    assert [each.name for _, each in definitions("user")].count("third") == 1
    page = browser.post("/prices", data=form | {"input": "5"}, headers=HEADERS)
    assert page.status_code == 400, "the one that was edited is gone"
    assert prices.read_text() == text


def test_an_edit_that_makes_no_sense_leaves_the_file_as_it_was(store: Store, prices: Path) -> None:
    browser = client(store)
    edits = [link for link in Page(browser.get("/prices").text).links() if "edit=" in link]
    form = _form(browser.get(edits[0].partition("#")[0]).text, "/prices")
    page = browser.post("/prices", data=form | {"input": "cheap"}, headers=HEADERS)
    assert page.status_code == 400
    assert "Nothing was changed" in page.text
    assert prices.read_text() == OWN
    assert form["edit"] in page.text, "it is still that one that is edited"


def test_a_definition_is_removed_with_nothing_else(store: Store, prices: Path) -> None:
    browser = client(store)
    page = Page(browser.get("/prices").text)
    digests = [attrs["value"] for tag, attrs in page.tags if tag == "input" and attrs.get("name") == "digest"]
    assert len(digests) == len([link for link in page.links() if "edit=" in link]) == 2, "not the one with tiers"
    done = browser.post("/prices/remove", data={"digest": digests[0] or ""}, headers=HEADERS)
    assert "The price of first is no longer in" in done.text
    assert "# About the second" in prices.read_text()
    assert "first" not in [each.name for _, each in definitions("user")]
    for wrong in ("", "nonsense", digests[0] or ""):
        assert browser.post("/prices/remove", data={"digest": wrong}, headers=HEADERS).status_code == 400


def _form(text: str, action: str) -> dict[str, str]:
    """What a browser would send of the form of a page."""
    form = re.search(rf'<form action="{action}" method="post" class="fields">.*?</form>', text, re.DOTALL)
    assert form
    found: dict[str, str] = {}
    select = ""
    for tag, attrs in Page(form[0]).tags:
        if tag == "input":
            found[attrs["name"] or ""] = attrs.get("value") or ""
        elif tag == "select":
            select = attrs["name"] or ""
        elif tag == "option" and "selected" in attrs:
            found[select] = attrs["value"] or ""
    return found
