"""What docs/llama-index.md says is so."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("llama_index.core")
pytest.importorskip("llama_index.llms.openai")
pytest.importorskip("llama_index.llms.anthropic")

from tests.e2e.test_llama_index import billed, play, pytestmark, records
from tests.wire.clients import KEY
from tests.wire.server import Play

__all__ = ["play", "pytestmark"]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "llama-index.md"


def test_the_examples_run_and_do_what_the_page_says(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_API_BASE", play.url("api.openai.com", "/v1"))
    names: dict[str, Any] = {}
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    streamed, chatted = billed()
    assert (streamed.stream, chatted.stream) == (True, False)
    assert set(chatted.attribution or {}) == {"session", "user"}
    assert "ada@" not in str(records())
