"""A metered program exits with its own status: nothing of Tollbook's crashes while the interpreter is taken down."""

from __future__ import annotations

from typing import Any

import pytest
from tests.wire.server import Wire

pytest.importorskip("openai")

CHECKED = {"PYTHONDEVMODE": "1", "PYTHONMALLOC": "malloc", "MALLOC_PERTURB_": "165"}
"""Memory that is freed is overwritten, so that whoever still uses it crashes."""


def test_metering_leaves_the_memory_of_the_interpreter_in_order(wire: Wire, program: Any) -> None:
    """Own classes and own `request` methods make cycles, which are only collected at the end."""
    with wire.play("openai-chat-plain") as play:
        ran = program(
            """
import openai, tollbook
tollbook.autolog(store="ledger.db")

def call():
    class Mine(openai.OpenAI):
        def request(self, *args, **options):
            return super().request(*args, **options)

    client = Mine(base_url=sys.argv[1] + "/v1", api_key="x")
    for _ in range(3):
        client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "Hi"}])

call()
tollbook.flush()
show(len(records()))
""",
            play.url(),
            **CHECKED,
        )
    assert ran.shown == [3]
