"""The dashboard, asked as a browser asks: all its pages over empty, normal and hostile ledgers, and who may come in."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.commands import TRACE, put, run
from tests.records import call

pytest.importorskip("starlette")
pytest.importorskip("jinja2")
pytest.importorskip("uvicorn")

from tests.dashboard import HOSTILE, ORIGIN, PAGES, TOKEN, Page, client, fill, today

from tollbook.ledger import Store, open_store
from tollbook.pricing import Cost
from tollbook.web import Refused, serve


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "ledger.db") as opened:
        yield opened


# ---- pages ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PAGES)
def test_an_empty_ledger_has_every_page_and_nothing_is_made(store: Store, path: str) -> None:
    answer = client(store).get(path)
    assert answer.status_code == 200
    if path.startswith(("/breakdown", "/traces", "/sessions")) or path == "/":
        assert "tollbook.autolog()" in answer.text, "it says what to do"


@pytest.mark.parametrize("path", [*PAGES, f"/traces/{TRACE}", "/prices/model?model=gpt-4o&provider=openai"])
def test_every_page_shows_a_ledger_with_calls(store: Store, path: str) -> None:
    fill(store)
    assert client(store).get(path).status_code == 200


@pytest.mark.parametrize(
    "by", ["model", "day", "week", "hour", "user", "tag.team", "attribute.run", "trace", "name", "error"]
)
@pytest.mark.parametrize("metric", ["cost", "tokens", "calls"])
def test_the_overview_groups_by_any_dimension(store: Store, by: str, metric: str) -> None:
    fill(store)
    browser = client(store)
    for period in ("24h", "30d", "last-month", "12m", "all"):
        assert browser.get("/", params={"by": by, "metric": metric, "period": period}).status_code == 200
    assert browser.get("/breakdown", params={"by": by, "then": "provider", "metric": metric}).status_code == 200


def test_what_is_unknown_is_never_shown_as_nothing(store: Store) -> None:
    fill(store)
    text = client(store).get("/").text
    assert "$0.000000000001" in text, "a small cost keeps its digits"
    assert re.search(r"house-model.{0,900}unpriced", text, re.DOTALL)
    assert "+ unpriced: 1 call with 7 tokens" in text
    assert "failed: 2 calls" in text
    leads = next(link for link in Page(text).links() if "where=status%3Dtimeout" in link)
    assert client(store).get(leads).text.count('<span class="bad">') == 2


def test_the_mean_of_a_call_is_of_those_whose_cost_is_known(store: Store) -> None:
    """Two of three calls cost 4 together; the third failed, and nobody knows of any cost: 2 a call, not 1.33."""
    paid = [today(response_model="m", cost=Cost(total=usd * 10**12, input=0, output=0)) for usd in (1, 3)]
    put(store.path, *paid, today(response_model="m", status="error", usage=None, cost=None))
    row = client(store).get("/").text.split("<tfoot>")[1]
    assert "$2.00" in row
    assert "$1.33" not in row


def test_days_are_compared_with_days_in_their_order(store: Store) -> None:
    """Each of the last seven days cost twice what the same day of the seven before did; none of them is new."""
    day = 86_400_000_000_000
    midnight = time.time_ns() // day * day
    put(
        store.path,
        *(
            call(start=midnight - back * day - 1, cost=Cost(total=(2 if back < 6 else 1) * 10**12, input=0, output=0))
            for back in range(13)
        ),
    )
    text = client(store).get("/", params={"by": "day", "period": "7d", "zone": "utc"}).text
    table = text.split('id="rows"')[1].split("<tfoot>")[0]
    assert table.count("+100.0%") == 6
    assert ">new<" not in table


def test_names_of_our_own_in_an_address_are_no_mistake_of_ours(store: Store) -> None:
    fill(store)
    for query in ("path=x", "self=x", "add=model&value=x&path=y"):
        assert client(store).get(f"/traces?{query}").status_code == 200


def test_the_hours_of_centuries_are_drawn_from_the_first_call_on(store: Store) -> None:
    fill(store)
    answer = client(store).get("/", params={"since": "1700-01-01", "grain": "hour", "zone": "utc"})
    assert answer.status_code == 200
    assert answer.text.count("<template id=") <= 2


def test_the_page_of_a_trace_shows_each_span_and_what_it_cost(store: Store) -> None:
    fill(store)
    page = client(store).get(f"/traces/{TRACE}")
    assert all(word in page.text for word in ("agent run", "Completions_1", "look", "timeout", "APITimeoutError"))
    assert client(store).get("/traces/" + "0" * 32).status_code == 404


def test_every_link_of_every_page_leads_somewhere(store: Store) -> None:
    fill(store)
    browser = client(store)
    waiting, seen = ["/"], set[str]()
    while waiting and len(seen) < 150:
        path = waiting.pop(0)
        if path in seen:
            continue
        seen.add(path)
        answer = browser.get(path)
        assert answer.status_code == 200, path
        for link in Page(answer.text).links():
            assert link.startswith(("/", "#")), f"{path} leads away: {link}"
            waiting += [link.partition("#")[0]] if link.startswith("/") else []
    assert len(seen) > 30


def test_the_address_carries_the_whole_state(store: Store) -> None:
    fill(store)
    query = {"by": "feature", "period": "7d", "zone": "Asia/Tokyo", "where": "model=gpt-4o", "metric": "calls"}
    page = client(store).get("/", params=query)
    assert "Asia/Tokyo" in page.text
    links = [link for link in Page(page.text).links() if link.startswith("/?") and "by=" in link]
    assert all("zone=Asia%2FTokyo" in link for link in links)
    assert [link for link in links if "where=model%3Dgpt-4o" in link and "metric=calls" in link]


def test_the_form_of_a_filter_leads_to_a_plain_address(store: Store) -> None:
    answer = client(store).get("/traces?add=model&value=gpt-4o&period=7d", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/traces?period=7d&where=model%3Dgpt-4o")


@pytest.mark.parametrize(
    "query",
    [
        *("period=ever", "since=x", "zone=Mars/Base", "by=nonsense", "where=model", "where=nonsense%3D1", "grain=year"),
        *("since=2026-11-02&until=2026-11-01", "where=day%3D2026-11-01"),
    ],
)
def test_what_makes_no_sense_is_said_in_words(store: Store, query: str) -> None:
    fill(store)
    answer = client(store).get(f"/?{query}")
    assert answer.status_code == 400
    assert "That can&#39;t be shown" in answer.text


def test_pages_of_traces_show_each_trace_once(store: Store) -> None:
    now = time.time_ns() - 3_600_000_000_000
    # Spans of many traces between each other, and many that begin in the same nanosecond.
    put(
        store.path,
        *(
            call(trace_id=f"{n % 70:032x}", span_id=f"{n + 1:016x}", start=now + n // 90, response_model=f"m{n % 3}")
            for n in range(350)
        ),
    )
    browser = client(store)
    questions = (("", 70), ("?where=model=m1", 70), ("?where=trace=" + f"{5:032x}", 1), ("?sort=cost", 70))
    for question, expected in questions:
        found: list[str] = []
        path = f"/traces{question}"
        while path:
            links = Page(browser.get(path).text).links()
            found += dict.fromkeys(link.partition("?")[0] for link in links if link.startswith("/traces/"))
            path = next((link for link in links if "after=" in link), "")
        assert len(found) == len(set(found)) == expected


def test_the_dearest_traces_come_first_and_show_what_of_them_fits(store: Store) -> None:
    put(
        store.path,
        today(trace_id="1" * 32, name="cheap", cost=Cost(total=10**12)),
        today(trace_id="2" * 32, name="dear", cost=Cost(total=7 * 10**12)),
        today(trace_id="2" * 32, name="more", response_model="other", cost=Cost(total=2 * 10**12)),
    )
    text = client(store).get("/traces?sort=cost").text
    assert text.index(">$9.00<") < text.index(">$1.00<")
    text = client(store).get("/traces?sort=cost&where=model%3Dother").text
    assert text.index(">$2.00<") < text.index(">$9.00<"), "what fits, and then the whole trace"
    assert client(store).get("/traces?sort=size").status_code == 400
    assert client(store).get("/traces?after=nonsense").status_code == 400


def test_a_ledger_that_cannot_be_read_is_a_page(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_text("this is no database, however long one looks at it" * 50)
    with open_store(tmp_path / "ledger.db") as store:
        answer = client(store, read_only=True).get("/")
    assert answer.status_code == 500
    assert "The ledger can&#39;t be read" in answer.text


# ---- hostile names -------------------------------------------------------------------------------------------


def test_names_from_elsewhere_are_text_and_nothing_else(store: Store) -> None:
    names = {"feature": HOSTILE, "user": HOSTILE, "session": HOSTILE, "team": HOSTILE}
    put(
        store.path,
        today(response_model=HOSTILE, provider=HOSTILE, name=HOSTILE, attribution=names, finish=HOSTILE),
        today(response_model=HOSTILE, cost=None, error=HOSTILE, status="error", kind=HOSTILE, trace_id=TRACE),
    )
    browser = client(store)
    one = next(link for link in Page(browser.get("/traces").text).links() if link.startswith("/traces/"))
    paths = [*PAGES, "/?by=tag.team", "/?by=session", "/breakdown?by=feature&then=user", f"/traces/{TRACE}", one]
    for path in [*paths, *(f"/?where=model={HOSTILE}&{HOSTILE}={HOSTILE}&by=x".replace("\x1b", "%1B") for _ in "1")]:
        answer = browser.get(path)
        page = Page(answer.text)
        assert {attrs.get("src") for tag, attrs in page.tags if tag == "script"} == {
            "/static/theme.js",
            "/static/app.js",
        }
        assert [attrs["src"] for tag, attrs in page.tags if tag == "img"] == ["/static/icon.svg"]
        assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on") or name == "style"]
        assert "\x1b" not in answer.text
        assert "\u202e" not in answer.text
        assert "49" not in re.findall(r"onerror=alert\(2\)&gt;(.{2})", answer.text), "no name is a template"


# ---- who may come in -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [*PAGES, "/traces/x", "/nowhere"])
def test_without_the_token_nothing_is_shown(store: Store, path: str) -> None:
    fill(store)
    browser = client(store, knows=False)
    for params in ({}, {"token": "wrong"}, {"token": ""}):
        answer = browser.get(path, params=params)
        assert answer.status_code == 401
        assert "gpt-4o" not in answer.text
        assert "tollbook ui" in answer.text, "it says what to do"


def test_the_token_becomes_a_cookie_that_scripts_and_other_sites_do_not_get(store: Store) -> None:
    browser = client(store, knows=False)
    answer = browser.get("/traces", params={"token": TOKEN, "period": "7d"}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/traces?period=7d")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert TOKEN not in cookie
    assert browser.get("/traces").status_code == 200


def test_the_way_back_from_the_token_stays_here(store: Store) -> None:
    answer = client(store, knows=False).get(f"{ORIGIN}//example.com/?token={TOKEN}", follow_redirects=False)
    assert answer.headers["location"].startswith("/example.com/")


def test_the_token_can_be_given_in_a_form(store: Store) -> None:
    browser = client(store, knows=False)
    headers = {"origin": ORIGIN}
    assert browser.post("/login", data={"token": "wrong"}, headers=headers).status_code == 401
    assert browser.post("/login", data={"token": TOKEN}, headers={"origin": "http://evil.example"}).status_code == 403
    assert browser.post("/login", data={"token": TOKEN}, headers=headers).status_code == 200


@pytest.mark.parametrize("body", [b"token=" + b"x" * 70_000, b"token=\xff\xfe"])
def test_a_form_that_is_none_is_refused_at_the_door(store: Store, body: bytes) -> None:
    browser = client(store, knows=False)
    answer = browser.post("/login", content=body, headers={"origin": ORIGIN})
    assert answer.status_code == 400
    assert "content-security-policy" in answer.headers


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8642", "127.0.0.1", "127.0.0.1:1", ""])
def test_other_host_names_are_refused_even_with_the_cookie(store: Store, host: str) -> None:
    browser = client(store)
    assert browser.get("/", headers={"host": host}).status_code == 421
    assert browser.get("/static/app.js", headers={"host": host}).status_code == 421


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"origin": "http://127.0.0.1:9999"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_nothing_is_changed_for_another_page(store: Store, headers: dict[str, str]) -> None:
    browser = client(store)
    form = {"name": "all", "unit": "usd", "most": "5"}
    for path in ("/budgets", "/budgets/remove", "/prices", "/prices/reprice"):
        assert browser.post(path, data=form, headers=headers).status_code == 403
    assert store.limits.limits() == []


def test_read_only_changes_nothing_and_says_so(store: Store) -> None:
    fill(store)
    store.drain()
    put(store.path, today())
    browser = client(store, read_only=True)
    for path in PAGES:
        page = browser.get(path)
        assert page.status_code == 200
        assert not [attrs for tag, attrs in Page(page.text).tags if tag == "form" and attrs.get("method") == "post"]
    for path in ("/budgets", "/budgets/remove", "/prices", "/prices/reprice"):
        answer = browser.post(path, data={"name": "all", "most": "5"}, headers={"origin": ORIGIN})
        assert answer.status_code == 403
        assert "read-only" in answer.text
    assert store.health().pending == 1, "what waits in journals still waits"


@pytest.mark.parametrize("path", [*PAGES, "/nowhere", "/static/app.css", "/static/nothing", "/?by=nonsense"])
def test_every_answer_forbids_scripts_and_styles_from_elsewhere(store: Store, path: str) -> None:
    answer = client(store).get(path)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    if "html" in answer.headers["content-type"]:
        own = [attrs.get(name) or "/" for _, attrs in Page(answer.text).tags for name in ("href", "src", "action")]
        assert all(address.startswith(("/", "#")) for address in own), "nothing is loaded from elsewhere"


def test_files_outside_of_static_are_not_served(store: Store) -> None:
    browser = client(store, knows=False)
    for path in ("/static/../_door.py", "/static/%2e%2e/_door.py", "/static/..%2f_door.py"):
        assert browser.get(path).status_code in (401, 404)


def test_others_may_not_reach_it_without_a_token_that_was_chosen(store: Store) -> None:
    for host in ("0.0.0.0", "192.0.2.1", "::", "example.com"):
        with pytest.raises(Refused, match="TOLLBOOK_UI_TOKEN"):
            serve(store, host=host)
    with pytest.raises(Refused, match="too short"):
        serve(store, host="0.0.0.0", token="short")
    result = run("ui", "--host", "0.0.0.0", "--no-browser")
    assert result.exit_code == 2
    assert "TOLLBOOK_UI_TOKEN" in result.output
