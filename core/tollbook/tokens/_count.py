"""Counting: the tokens of texts and of requests, each with its method, its version and its error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, sqrt
from typing import Any

import msgspec

from tollbook.tokens._content import Content
from tollbook.tokens._encoders import Encoder, encoder, in_event_loop
from tollbook.tokens._images import image_tokens
from tollbook.tokens._methods import Method, frame, methods

Settings = Mapping[str, Any]

RULES = 1
"""The version of what is counted without a tokenizer: raised with each change of the rules."""

_PATIENCE = 50
"""A thread that may wait counts so many times the characters that one in an event loop does."""
_SLICE = 1000
"""Characters of one sample."""
_ROUGH_BAND, _ROUGH_OTHER = 0.5, 0.6


class Count(msgspec.Struct, frozen=True):
    """An estimate of tokens."""

    tokens: int
    method: str
    """`o200k_base`, `o200k_base*1.2`, `ctok` or `bytes/4`, with `sampled` where not all of the text was looked at."""
    version: str
    """Of what counted: `tiktoken 0.14.0`, or `rules 1` for what needs no tokenizer."""
    band: float
    """The error to expect, as a fraction: 0.1 is plus or minus 10 percent. 0: exact."""
    flags: tuple[str, ...] = ()
    """What is not in the number: `file_not_counted`, `previous_response_id_not_counted`, ..."""

    @property
    def said(self) -> str:
        """Method and version, as a usage says them."""
        return f"{self.method} ({self.version})"


def estimate(
    text: str, provider: str | None, model: str | None, *, settings: Settings | None = None, wait: bool | None = None
) -> Count:
    """The tokens of a text alone, without what a chat adds to it.

    Args:
        text: What is counted.
        provider: `gen_ai.provider.name`.
        model: As requested or served. One that is not known is counted by its provider's usual tokenizer, or else the
            commonest.
        settings: What a definition of the user's says of the tokenizer.
        wait: Whether a tokenizer may be loaded now, and long text be counted in full; None: unless this thread runs an
            event loop. Otherwise it is loaded in the background, and what comes before is counted by its bytes.
    """
    content = Content()
    content.add([text])
    return _texts(content.texts, content.characters, _first(provider, model, settings, wait))


def estimate_content(
    content: Content,
    provider: str | None,
    model: str | None,
    *,
    settings: Settings | None = None,
    wait: bool | None = None,
) -> Count:
    """The tokens of a request: its texts, what a chat adds to them, and its images. As `estimate`."""
    texts = _texts(content.texts, content.characters, _first(provider, model, settings, wait))
    adds = frame(model, settings)
    framing = tools = 0
    if content.messages:
        framing = adds.request + adds.message * content.messages + adds.name * content.names
        framing += adds.schema * content.schemas + adds.thinking * content.thinking
    if content.tools:
        tools = adds.tools + content.tool_frame
    tools += adds.call * content.calls
    # Numbers of tokens are exact, and each kind of the others is wrong on its own account.
    errors = [texts.tokens * texts.band, framing * adds.error, tools * adds.tools_error]
    total = texts.tokens + framing + tools + content.tokens
    for image in content.images:
        tokens, band = image_tokens(model, image)
        total += tokens
        errors.append(tokens * band)
    flags = tuple(sorted(f"{kind}_not_counted".replace(" ", "_") for kind in content.uncounted))
    band = round(sum(errors) / total, 3) if total else 0.0
    return Count(total, texts.method, texts.version, band, texts.flags + flags)


class _Chosen(msgspec.Struct):
    """How a text is counted."""

    method: Method
    encoder: Encoder | None
    most: int
    """Characters to look at."""


def _first(provider: str | None, model: str | None, settings: Settings | None, wait: bool | None) -> _Chosen:
    """The best way that can be had here and now."""
    patient = not in_event_loop() if wait is None else wait
    ways = methods(model, settings, provider)
    for method in ways:
        if found := encoder(method.encoder, patient):
            return _Chosen(method, found, found.quick * (_PATIENCE if patient else 1))
    return _Chosen(ways[-1], None, 0)


def _texts(texts: Sequence[str], characters: int, chosen: _Chosen) -> Count:
    method, found = chosen.method, chosen.encoder
    other = _foreign(texts)
    factor = method.factor_other if other else method.factor
    scaled = "" if factor == 1 else f"*{factor:g}"
    if found is None:
        size = sum(len(text) if text.isascii() else len(text.encode("utf-8", "replace")) for text in texts)
        band = _ROUGH_OTHER if other else _ROUGH_BAND
        return Count(ceil(size / 4 * factor), f"bytes/4{scaled}", f"rules {RULES}", band)
    band = method.band_other if other else method.band
    label = found.label + scaled
    if not scaled and band >= 0.1:
        label += " assumed"
    if characters <= chosen.most:
        return Count(ceil(sum(map(found.count, texts)) * factor), label, found.version, band)
    tokens, error = _sampled(texts, characters, chosen.most, found)
    return Count(ceil(tokens * factor), f"{label} sampled", found.version, round(band + error, 3))


def _sampled(texts: Sequence[str], characters: int, most: int, found: Encoder) -> tuple[float, float]:
    """The tokens of all texts from slices of `most` characters in all, spread evenly, and twice the standard error."""
    slices = max(most // _SLICE, 2)
    step = characters / slices
    rates: list[float] = []
    read = counted = 0
    before = 0
    at = step / 2
    for text in texts:
        while at < before + len(text):
            begin = max(0, min(int(at) - before, len(text) - _SLICE))
            piece = text[begin : begin + _SLICE]
            tokens = found.count(piece)
            rates.append(tokens / len(piece))
            read += len(piece)
            counted += tokens
            at += step
        before += len(text)
    mean = counted / read
    spread = sqrt(sum((rate - mean) ** 2 for rate in rates) / max(len(rates) - 1, 1) / len(rates))
    # A slice begins and ends in the midst of a word, which makes a token more in some hundreds.
    return mean * characters, 2 * spread / mean + 0.01 if mean else 0.01


def _foreign(texts: Sequence[str]) -> bool:
    """Whether a good part of the text is in another script than the Latin one, or has many accents."""
    seen = others = 0
    for text in texts:
        if seen > 20_000:
            break
        part = text[:4000]
        seen += len(part)
        if not part.isascii():
            others += len(part) - len(part.encode("ascii", "ignore"))
    return others * 50 > seen
