"""For tests of programs that call models: what they cost, and answers without a provider or a key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tollbook._lazy import lazily

if TYPE_CHECKING:
    from tollbook.testing._answers import Answer, Failure
    from tollbook.testing._capture import Captured, CapturedCall, capture
    from tollbook.testing._fake import Fake
    from tollbook.testing._fake_anthropic import fake_anthropic
    from tollbook.testing._fake_openai import fake_openai

__all__ = ["Answer", "Captured", "CapturedCall", "Failure", "Fake", "capture", "fake_anthropic", "fake_openai"]

__getattr__ = lazily(
    __name__,
    _answers="Answer Failure",
    _capture="Captured CapturedCall capture",
    _fake="Fake",
    _fake_anthropic="fake_anthropic",
    _fake_openai="fake_openai",
)
