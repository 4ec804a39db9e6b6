"""The programs in `examples/` print what they promise, MLflow's own example output first of all."""

from __future__ import annotations

import runpy
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from tests.wire.server import Wire

import tollbook
from tollbook import _runtime

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
TRACEPARENT = f"00-{'ab' * 16}-{'cd' * 8}-01"
ASK = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Name a colour."}]}


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    yield
    tollbook.autolog(disable=True)
    _runtime.stop()


@pytest.fixture
def two_calls(wire: Wire) -> str:
    """Two calls of one trace that began elsewhere, so that no span of ours is around them; the trace's id."""
    tollbook.autolog()
    with (
        wire.play("openai-chat-seed-pair") as play,
        openai.OpenAI(base_url=play.url("api.openai.com", "/v1"), api_key="not-a-key") as client,
        tollbook.continue_trace(TRACEPARENT),
    ):
        for _ in range(2):
            client.chat.completions.create(**ASK)  # type: ignore[call-overload]  # as a dict
    return "ab" * 16


def printed(name: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The lines that an example prints."""
    capsys.readouterr()
    names = runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    if "client" in names:
        names["client"].close()  # as the end of the program would
    return capsys.readouterr().out.splitlines()


@pytest.mark.usefixtures("two_calls")
def test_the_last_trace_is_read_as_with_mlflow(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed("mlflow_trace", capsys) == [
        "== Total token usage: ==",
        "Input tokens: 84",
        "Output tokens: 22",
        "Total tokens: 106",
        "== Total cost (USD): ==",
        "Input cost: $0.000013",
        "Output cost: $0.000013",
        "Total cost: $0.000026",
    ]


@pytest.mark.usefixtures("two_calls")
def test_each_call_is_read_as_with_mlflow(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed("mlflow_calls", capsys) == [
        "== Token usage and cost for each LLM call: ==",
        "Completions_1:",
        "Input tokens: 45",
        "Output tokens: 14",
        "Total tokens: 59",
        "Input cost: $0.000007",
        "Output cost: $0.000008",
        "Total cost: $0.000015",
        "Completions_2:",
        "Input tokens: 39",
        "Output tokens: 8",
        "Total tokens: 47",
        "Input cost: $0.000006",
        "Output cost: $0.000005",
        "Total cost: $0.000011",
    ]


def test_another_process_reads_the_same(two_calls: str) -> None:
    """What the first process recorded is found by its id, and as the last trace, without any state of it."""
    tollbook.autolog(disable=True)
    _runtime.stop()
    assert tollbook.get_last_active_trace_id() == two_calls
    trace = tollbook.get_trace(trace_id=two_calls)
    assert trace is not None
    assert trace.info.token_usage == {"input_tokens": 84, "output_tokens": 22, "total_tokens": 106}
    assert trace.info.cost == {"input_cost": 0.0000126, "output_cost": 0.0000132, "total_cost": 0.0000258}


def test_usage_and_cost_are_set_by_hand_as_with_mlflow(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed("mlflow_by_hand", capsys) == [
        "{'input_tokens': 100, 'output_tokens': 50, 'total_tokens': 150}",
        "{'input_cost': 0.0001, 'output_cost': 0.0002, 'total_cost': 0.0003}",
    ]


def test_reading_programs_say_that_nothing_is_recorded() -> None:
    for name in ("mlflow_trace", "mlflow_calls"):
        with pytest.raises(SystemExit, match="Nothing is recorded yet"):
            runpy.run_path(str(EXAMPLES / f"{name}.py"))


def test_attributes_of_the_llm_family_are_understood(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed("llm_attributes", capsys) == [
        "1850 tokens, 0.025 USD",
        "The same under OpenTelemetry's name: 1500",
        "Feature: document_analysis",
    ]
    (row,) = _runtime.store().summary(["attribute.cost.agent"])
    assert (row.key, row.calls, str(row.total_usd)) == ({"attribute.cost.agent": "researcher"}, 1, "0.025000000000")


def test_usage_objects_of_langfuse_are_understood(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed("langfuse_usage", capsys) == [
        "1500 in, 350 out, 0.009750000000 USD",
        "1500 in, 350 out, 0.020000000000 USD",
        "1500 in, 350 out, 0.009750000000 USD",
    ]


def test_programs_that_call_say_what_it_cost(
    wire: Wire, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "not-a-key")
    with wire.play("openai-chat-plain") as play:
        monkeypatch.setenv("OPENAI_BASE_URL", play.url("api.openai.com", "/v1"))
        assert printed("first_call", capsys)[1:] == [
            "{'input_tokens': 120, 'output_tokens': 30, 'total_tokens': 150, 'cache_read_input_tokens': 100}",
            "0.000475000000 USD",
        ]
        assert printed("agent", capsys) == ["2 calls for 0.000950000000 USD"]
    (row,) = [row for row in _runtime.store().summary(["trace"]) if row.calls == 2]
    assert str(row.total_usd) == "0.000950000000"


def test_every_example_is_run_by_a_test() -> None:
    here = "\n".join(file.read_text(encoding="utf-8") for file in Path(__file__).parent.glob("test_*.py"))
    listed = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    for example in EXAMPLES.glob("*.py"):
        assert f'"{example.stem}"' in here, example.name
        assert f"`{example.name}`" in listed, example.name
