"""What notebooks show: pictures without script, every text escaped, and the magics in a real IPython."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

import tollbook
from tollbook import _html, _runtime
from tollbook.budgets import budget_status

HOSTILE = "<script>alert('x')</script>\" onload=\"x & y\x1b[31m\u202e"


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    tollbook.autolog(disable=True)
    _runtime.stop()


def parsed(html: str) -> ET.Element:
    """The picture, also well-formed XML, with nothing that could run, load anything or hide what is there."""
    assert html.isprintable()
    root = ET.fromstring(html.replace("&nbsp;", " "))
    allowed = {"div", "span", "strong", "table", "tr", "th", "td", "svg", "g", "rect", "text", "title"}
    assert {element.tag for element in root.iter()} <= allowed
    for element in root.iter():
        assert not [name for name in element.attrib if name.startswith("on") or name in ("href", "src")]
    return root


def words(html: str) -> str:
    return " ".join(text.strip() for text in parsed(html).itertext() if text.strip())


def test_a_trace_is_a_waterfall_with_sums_of_what_is_below() -> None:
    with tollbook.span(HOSTILE, kind="agent") as agent:
        tollbook.record(model="gpt-4o-mini", provider="openai", usage={"input_tokens": 1000})
        with tollbook.span("look", kind="tool"):
            tollbook.record(model="gpt-4o-mini", provider="openai", usage={"input_tokens": 1000})
            tollbook.record(model=HOSTILE, provider="openai", usage={"input_tokens": 7})
    trace = tollbook.get_trace(agent.trace_id)
    assert trace is not None
    said = words(trace._repr_html_())
    assert "5 spans, 3 paid calls, 1 of them unpriced" in said
    assert said.count("$0.0003") == 3  # the whole, the agent's row, and its tooltip
    assert "unpriced" in said
    assert "2,007" in said
    assert "<script" not in trace._repr_html_()


def test_a_trace_with_thousands_of_spans_stays_a_picture() -> None:
    bars = [_html.Bar(str(n), n, n, 1, _html.BLUE, ("", "", ""), "") for n in range(1000)]
    html = f"<div>{_html.waterfall(bars)}</div>"
    assert "and 800 more spans" in words(html)


def test_an_empty_waterfall_is_one_too() -> None:
    parsed(f"<div>{_html.waterfall([])}</div>")


def test_a_report_is_a_table_with_shares() -> None:
    assert "Nothing was spent" in words(tollbook.report()._repr_html_())
    tollbook.record(model="gpt-4o-mini", provider="openai", usage={"input_tokens": 1000, "output_tokens": 100})
    tollbook.record(model=HOSTILE, provider="openai", usage={"input_tokens": 7})
    html = tollbook.report(["provider", "model"])._repr_html_()
    said = words(html)
    assert re.search(r"gpt-4o-mini 1 1,000 100 \$0\.00021", said)
    assert "1 unpriced" in said
    assert "total 2 1,007 100 $0.00021" in said
    assert 'aria-label="100 %"' in html


def test_a_budget_is_a_bar_that_says_how_full_it_is() -> None:
    tollbook.set_budgets({"name": HOSTILE, "usd": "1", "action": "stop"})
    tollbook.record(model="gpt-4o-mini", provider="openai", usage={"input_tokens": 1_000_000})
    (status,) = budget_status(_runtime.store())
    said = words(status._repr_html_())
    assert "$0.15 of $1.00 spent" in said
    assert "15.0 %" in said


def test_a_price_is_a_table() -> None:
    price = tollbook.price("gpt-4o")
    assert price is not None
    said = words(price._repr_html_())
    assert "openai/gpt-4o" in said
    assert "input 2.50 1M tokens" in said


@pytest.mark.parametrize("part", [None, -1.0, 0.0, 0.5, 7.0])
def test_a_bar_never_leaves_its_frame(part: float | None) -> None:
    widths = [float(width) for width in re.findall(r'<rect width="([\d.-]+)"', _html.bar(part, width=100))]
    assert all(0 <= width <= 100 for width in widths)


def test_the_magics_say_what_a_cell_cost(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("IPython")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    from IPython.core.interactiveshell import InteractiveShell

    from tollbook.testing import Answer, fake_openai

    shell = InteractiveShell()
    shell.run_line_magic("load_ext", "tollbook")
    answer = Answer("Hi", usage={"prompt_tokens": 1000, "completion_tokens": 100})
    cell = "client.chat.completions.create(model=MODEL, messages=[])\n"
    with fake_openai(answer).client() as client:
        shell.user_ns.update(client=client, MODEL="gpt-4o-mini")
        cost = shell.run_cell_magic("tollbook", "", cell * 2 + "other = 1")
        line = shell.run_line_magic("tollbook", "client.chat.completions.create(model='nobody-s', messages=[])")
    assert shell.user_ns["other"] == 1
    assert (cost.captured.usd, cost.captured.calls) == (Decimal("0.00042"), 2)
    assert re.search(r"gpt-4o-mini 2 2,200 \$0\.00042", words(cost._repr_html_()))
    assert repr(cost) == "$0.00042: 2 calls, 2,200 tokens (gpt-4o-mini: $0.00042)"
    assert "cost unknown" in words(line._repr_html_())
    assert "No paid calls" in words(shell.run_cell_magic("tollbook", "", "1 + 1")._repr_html_())
    assert shell.run_line_magic("tollbook", "") is None
    assert "%%tollbook above a cell" in capsys.readouterr().out
    assert tollbook.report().total.calls == 3  # the user's ledger has them, too
    shell.run_line_magic("unload_ext", "tollbook")
    assert "tollbook" not in shell.magics_manager.magics["cell"]
