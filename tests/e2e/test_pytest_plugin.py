"""The pytest plugin, in real runs of pytest: what tests cost, their limits, the session's budget and the baseline."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from tests.wire import vcr
from tests.wire.cassettes import load

pytest_plugins = ["pytester"]

INI = """
[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
filterwarnings = error
addopts = --strict-markers -p pytest_asyncio.plugin -p tollbook.testing.plugin
"""
ASK = """
import asyncio, threading, pytest, tollbook as tolls
from tollbook.testing import Answer, Failure, capture, fake_openai

COST = "0.00021"  # of a call: 1000 tokens sent, 100 generated
answer = Answer("Hi", usage={"prompt_tokens": 1000, "completion_tokens": 100})

def ask(times=1, model="gpt-4o-mini"):
    with fake_openai(answer).client() as client:
        for _ in range(times):
            client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Hello"}])
"""


class Runs:
    """Pytest in a process of its own, with tests that ask a fake."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        self.path = pytester.path
        pytester.makeini(INI)

    def __call__(self, *arguments: str, code: str | None = None) -> pytest.RunResult:
        if code is not None:
            (self.path / "test_it.py").write_text(ASK + code, encoding="utf-8")
        return self.pytester.runpytest_subprocess(*arguments, timeout=120)


@pytest.fixture
def runs(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Runs:
    # Without what else happens to be installed; so each run takes a second less.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("TOLLBOOK_STORE", str(pytester.path / "users.db"))
    return Runs(pytester)


def properties(path: Path) -> dict[str, dict[str, str]]:
    """The properties of each test in a file for JUnit."""
    cases = ET.parse(path).iter("testcase")
    return {str(c.get("name")): {str(p.get("name")): str(p.get("value")) for p in c.iter("property")} for c in cases}


def test_the_fixture_says_what_the_test_has_cost_so_far(runs: Runs) -> None:
    result = runs(
        "--junitxml=junit.xml",
        code="""
from decimal import Decimal

@pytest.fixture
def prepared():
    ask()

def test_calls(tollbook):
    assert (tollbook.usd, tollbook.tokens, tollbook.calls, tollbook.by_model) == (0, 0, 0, {})
    ask(2)
    ask(model="nobody-s-model")
    assert (tollbook.usd, tollbook.tokens, tollbook.calls) == (2 * Decimal(COST), 3300, 3)
    assert tollbook.by_model == {"gpt-4o-mini": 2 * Decimal(COST), "nobody-s-model": 0}
    assert tollbook.unpriced == 1

def test_each_has_its_own_and_fixtures_count(prepared, tollbook):
    assert tollbook.calls == 1

async def test_asynchronous(tollbook):
    async with fake_openai(answer).async_client() as client:
        ask = client.chat.completions.create(model="gpt-4o-mini", messages=[])
        await asyncio.gather(ask, asyncio.to_thread(tolls.record, model="gpt-4o-mini", usage={"input_tokens": 1}))
    assert tollbook.calls == 2

def test_a_ledger_of_the_program_s_choice_is_not_touched(tollbook, tmp_path):
    tolls.autolog(store=tmp_path / "other.db")
    ask()
    assert tollbook.calls == 1
    assert not (tmp_path / "other.db.spool").exists()

def test_nothing_is_metered_for_others():
    ask()

def test_asked_for_late(request):
    assert request.getfixturevalue("tollbook").calls == 0
""",
    )
    result.assert_outcomes(passed=6)
    result.stdout.fnmatch_lines(["*cost by test*", "*$0.00042 * 3,300 * 3 *1 unpriced*::test_calls", "*in all"])
    result.stdout.no_fnmatch_line("*::test_nothing_is_metered_for_others")
    found = properties(runs.path / "junit.xml")
    assert found["test_calls"]["tollbook_usd"] == "0.00042"
    assert found["test_calls"]["tollbook_unpriced_calls"] == "1"
    assert found["test_nothing_is_metered_for_others"] == {}
    assert not (runs.path / "users.db").exists()


def test_a_run_that_does_not_use_it_is_as_without_it(runs: Runs) -> None:
    """Nothing of it is loaded but the plugin itself, which loads no SDK."""
    code = """
import sys
def test_nothing():
    loaded = {name for name in sys.modules if name.startswith(("tollbook", "openai", "anthropic", "httpx", "sqlite3"))}
    assert loaded <= {"tollbook", "tollbook._lazy", "tollbook.testing", "tollbook.testing.plugin"}
"""
    (runs.path / "test_plain.py").write_text(code, encoding="utf-8")
    runs.pytester.makeini("[pytest]\naddopts = -p tollbook.testing.plugin")
    result = runs("test_plain.py")
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*cost by test*")


def test_the_marker_stops_a_test_at_its_limit(runs: Runs) -> None:
    result = runs(
        code="""
@pytest.mark.tollbook(calls=2)
def test_calls():
    ask(2)
    ask(1)

@pytest.mark.tollbook(usd="0.0003")
def test_usd():
    ask(9)

@pytest.mark.tollbook(tokens=1000, usd=1)
def test_tokens_which_nobody_asks_beyond():
    ask(1)

@pytest.mark.tollbook(calls=1)
def test_who_catches_all_fails_too():
    try:
        ask(2)
    except Exception:
        pass

@pytest.mark.tollbook(usd="0.001")
def test_unpriced():
    ask(model="nobody-s-model")

@pytest.mark.tollbook(usd="0.001", reserve=True)
def test_what_could_go_beyond():
    ask(1)

@pytest.mark.tollbook(calls=1)
def test_in_a_thread():
    refused = []
    def work():
        try:
            ask(2)
        except tolls.BudgetExceeded as error:
            refused.append(error)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert refused

@pytest.mark.tollbook(dollars=1)
def test_misspelt():
    pass

@pytest.mark.tollbook(usd="much")
def test_no_amount():
    pass

@pytest.mark.tollbook(usd="0.01", tokens=3300, calls=3)
def test_within():
    ask(3)

@pytest.mark.tollbook(usd="0.001", on_unpriced="allow")
def test_unpriced_allowed():
    ask(model="nobody-s-model")

@pytest.mark.tollbook(calls=1)
async def test_asynchronous():
    async with fake_openai(answer).async_client() as client:
        for _ in range(2):
            await client.chat.completions.create(model="gpt-4o-mini", messages=[])

def test_no_limit_after_it():
    ask(9)
""",
    )
    result.assert_outcomes(passed=3, failed=8, errors=2)
    result.stdout.fnmatch_lines(
        [
            "*@pytest.mark.tollbook allows 2 calls; spent: 2 calls",
            "*@pytest.mark.tollbook allows $0.0003; spent: $0.00042",
            "the test's model calls came to 1,100 tokens, and @pytest.mark.tollbook allows 1,000 tokens",
            "a model call was refused, which the test did not notice: @pytest.mark.tollbook allows 1 call,*",
            "nobody can tell what the test cost: there is no price for nobody-s-model*",
            "*; spent: $0.00; this call may take*",
        ]
    )
    result.stdout.fnmatch_lines(
        ["*it takes calls=, on_unpriced=, reserve=, tokens=, usd=", "*usd: expected an amount in USD*"]
    )


def test_the_session_s_budget_holds_for_all_tests(runs: Runs) -> None:
    result = runs(
        "--tollbook-budget=0.0005",
        code="""
def test_a():
    ask(2)
def test_b():
    ask(2)
def test_that_asks_nobody():
    pass
def test_c():
    ask(1)
""",
    )
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(["*--tollbook-budget*$0.0005; spent: $0.00063", "*$0.00063 of * spent: too much"])
    assert runs("--tollbook-budget=1").ret == 0


def test_a_session_that_only_its_last_call_took_beyond_fails(runs: Runs) -> None:
    result = runs("--tollbook-budget=0.0001", code="def test_a(): ask(1)")
    result.assert_outcomes(passed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_a_test_that_rises_beyond_its_baseline_fails(runs: Runs) -> None:
    code = "TIMES, MODEL = {}, 'gpt-4o-mini'\ndef test_a(): ask(TIMES, MODEL)\ndef test_b(): ask(1)\n"
    missing = runs("--tollbook-baseline=costs.json", code=code.format(10))
    assert missing.ret == pytest.ExitCode.USAGE_ERROR
    missing.stderr.fnmatch_lines(["*there is no baseline costs.json*--tollbook-update-baseline*"])

    assert runs("--tollbook-baseline=costs.json", "--tollbook-update-baseline").ret == 0
    written = json.loads((runs.path / "costs.json").read_text(encoding="utf-8"))
    assert written["tests"]["test_it.py::test_a"] == {"usd": "0.0021", "tokens": 11000, "calls": 10}

    assert runs("--tollbook-baseline=costs.json", code=code.format(11)).ret == 0
    risen = runs("--tollbook-baseline=costs.json", code=code.format(12) + "def test_new(): ask(1)")
    risen.assert_outcomes(passed=2, failed=1)
    risen.stdout.fnmatch_lines(["*rose from $0.0021 to $0.00252 (+20.0 %); 10 % are tolerated", "1 tests*are not in*"])
    assert runs("--tollbook-baseline=costs.json", "--tollbook-tolerance=20").ret == 0

    unpriced = runs("--tollbook-baseline=costs.json", code=code.format(1).replace("gpt-4o-mini", "nobody-s"))
    unpriced.stdout.fnmatch_lines(["1 of its model calls have no known price; in the baseline 0 had none"])


def test_an_update_of_the_baseline_keeps_what_did_not_run_or_failed(runs: Runs) -> None:
    code = "def test_a(): ask({0})\ndef test_b(): ask({0})\ndef test_c():\n    ask({0})\n    assert {1}"
    update = ("--tollbook-baseline=costs.json", "--tollbook-update-baseline")
    runs(*update, code=code.format(1, True))
    runs(*update, "-k", "test_a or test_c", code=code.format(2, False))
    tests = json.loads((runs.path / "costs.json").read_text(encoding="utf-8"))["tests"]
    assert {name[-1]: found["calls"] for name, found in tests.items()} == {"a": 2, "b": 1, "c": 1}


@pytest.mark.parametrize("text", ["{", '{"tests": 1}', '{"version": 2, "tests": {}}'])
def test_a_file_that_is_no_baseline_is_refused(runs: Runs, text: str) -> None:
    (runs.path / "costs.json").write_text(text, encoding="utf-8")
    result = runs("--tollbook-baseline=costs.json", code="def test_a(): pass")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*costs.json is *baseline*"])


def test_under_xdist_all_that_is_spent_meets_in_one_place(runs: Runs) -> None:
    pytest.importorskip("xdist")
    code = "@pytest.mark.parametrize('n', range(6))\ndef test_a(n): ask(1)\n"
    result = runs(
        "-p",
        "xdist.plugin",
        "-n2",
        "--tollbook-baseline=c.json",
        "--tollbook-update-baseline",
        "--junitxml=j.xml",
        code=code,
    )
    result.assert_outcomes(passed=6)
    result.stdout.fnmatch_lines(["*cost by test*", "*$0.00126 * 6 *in all"])
    assert len(json.loads((runs.path / "c.json").read_text(encoding="utf-8"))["tests"]) == 6
    assert {found["tollbook_usd"] for found in properties(runs.path / "j.xml").values()} == {"0.00021"}
    stopped = runs("-p", "xdist.plugin", "-n2", "--tollbook-budget=0.0004")
    assert stopped.ret == pytest.ExitCode.TESTS_FAILED
    assert 1 <= stopped.parseoutcomes()["failed"] <= 4


def test_what_a_cassette_answers_counts_as_what_it_would_have_cost(runs: Runs) -> None:
    cassette = load("openai-chat-plain")
    body: dict[str, Any] = cassette.body
    vcr.write(cassette, "https://api.openai.com", runs.path)
    result = runs(
        code=f"""
import openai, vcr

def test_replayed(tollbook):
    player = vcr.VCR(record_mode="none", match_on=("method", "scheme", "host", "port", "path"))
    with player.use_cassette("openai-chat-plain.yaml"), openai.OpenAI(api_key="not-a-key") as client:
        client.chat.completions.create(**{body!r})
    ask(1)
    assert [call.replayed for call in tollbook] == [True, False]
    assert tollbook.replayed == 1
    assert all(call.cost for call in tollbook)
""",
    )
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*(1 replayed)*::test_replayed"])


def test_the_plugin_is_what_pyproject_says() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"]["pytest11"] == {"tollbook": "tollbook.testing.plugin"}
