"""Images: their size, read from the head of the file, and the tokens that each provider makes of it."""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error
from math import ceil
from typing import NamedTuple

from tollbook.tokens._methods import base_name, claude_version


class Image(NamedTuple):
    """One image of a request."""

    width: int = 0
    """Pixels; 0: not known."""
    height: int = 0
    detail: str = "auto"


_HEADS = (4096, 1 << 19)
"""Characters of base64 that are decoded to find the size: most have it early, photographs after a thumbnail."""

_TILES = (
    # OpenAI's models that see tiles of 512 pixels: tokens per image, and per tile.
    (r"gpt-4o-mini", 2833, 5667),
    (r"gpt-4\.1(?!-mini|-nano)|gpt-4o|gpt-4\.5|gpt-4-(?:turbo|vision|1106)|chatgpt-4o", 85, 170),
    (r"gpt-5(?:\.1)?(?:-\d|-chat|-codex|$)", 70, 140),
    (r"o[13](?:-|$)", 75, 150),
    (r"computer-use", 65, 129),
)
_PATCHES = (
    # Those that see patches of 32 pixels: tokens per patch, the most patches as `high`, and otherwise.
    (r"gpt-4\.1-mini", 1.62, 1536, 1536),
    (r"gpt-4\.1-nano", 2.46, 1536, 1536),
    (r"o4-mini|codex-mini", 1.72, 1536, 1536),
    (r"gpt-5(?:\.\d)?-nano", 1.5, 1536, 1536),
    (r"gpt-5(?:\.\d)?-mini", 1.2, 1536, 1536),
    (r"gpt-5\.5", 1.2, 2500, 9890),
    (r"gpt-5", 1.2, 2500, 2500),
    (r"gpt-|o\d", 1.2, 2443, 1 << 30),
)
_TYPICAL = Image(1024, 1024)
_SURE, _MEASURED, _UNSEEN = 0.02, 0.1, 0.6
"""The error to expect of a published rule, of one that others have measured, and of an image of unknown size."""


def image_tokens(model: str | None, image: Image) -> tuple[int, float]:
    """The tokens that `model` makes of an image, and the error to expect, as a fraction."""
    if not image.width or not image.height:
        return image_tokens(model, _TYPICAL._replace(detail=image.detail))[0], _UNSEEN
    width, height = image.width, image.height
    claude = claude_version(model)
    if claude is not None:
        most = 3930 if claude >= (4, 7) else 1568
        return min(ceil(width / 28) * ceil(height / 28), most), _MEASURED
    name = base_name(model)
    if "gemini" in name:
        if re.search(r"gemini-[12]\.|gemini-1|gemini-2", name):
            small = width <= 384 and height <= 384
            return 258 if small else 258 * ceil(width / 768) * ceil(height / 768), _MEASURED
        return 1090, _MEASURED
    for pattern, base, each in _TILES:
        if re.match(pattern, name):
            return base + (0 if image.detail == "low" else each * _tiles(width, height)), _SURE
    patches = ceil(width / 32) * ceil(height / 32)
    for pattern, factor, high, most in _PATCHES:
        if re.match(pattern, name):
            return ceil(min(patches, high if image.detail == "high" else most) * factor), _MEASURED
    return min(ceil(width / 28) * ceil(height / 28), 1600), 0.5


def _tiles(width: int, height: int) -> int:
    """Tiles of 512 pixels after OpenAI's scaling: into 2048 x 2048, then the short side to 768."""
    scale = min(1.0, 2048 / max(width, height))
    scale *= min(1.0, 768 / (min(width, height) * scale))
    return ceil(round(width * scale, 3) / 512) * ceil(round(height * scale, 3) / 512)


def image_from(data: str, detail: str = "auto") -> Image:
    """The image in `data`: a data URL or base64. Its size is 0 where it can't be read from the head of the file."""
    start = data.find(",", 0, 256) + 1 if data.startswith("data:") else 0
    if data.startswith(("http:", "https:", "gs:", "s3:", "file")):
        return Image(detail=detail)
    for most in _HEADS:
        text = data[start : start + most]
        try:
            head = b64decode(text[: len(text) // 4 * 4])
        except (Error, ValueError):
            break
        if found := size_of(head):
            return Image(*found, detail)
        if len(data) - start <= most or not head.startswith(b"\xff\xd8"):
            break
    return Image(detail=detail)


def size_of(head: bytes) -> tuple[int, int] | None:
    """Width and height of the PNG, GIF, WebP or JPEG that begins with `head`; None if that does not tell."""
    if head.startswith(b"\x89PNG\r\n\x1a\n") and len(head) >= 24:
        return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
    if head.startswith((b"GIF87a", b"GIF89a")) and len(head) >= 10:
        return int.from_bytes(head[6:8], "little"), int.from_bytes(head[8:10], "little")
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP" and len(head) >= 30:
        return _webp(head)
    return _jpeg(head) if head.startswith(b"\xff\xd8") else None


def _webp(head: bytes) -> tuple[int, int] | None:
    kind = head[12:16]
    if kind == b"VP8X":
        return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
    if kind == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        return int.from_bytes(head[26:28], "little") & 0x3FFF, int.from_bytes(head[28:30], "little") & 0x3FFF
    return None


def _jpeg(head: bytes) -> tuple[int, int] | None:
    """From the frame header, which follows any number of other segments."""
    at = 2
    while at + 9 <= len(head):
        if head[at] != 0xFF:
            return None
        marker = head[at + 1]
        if marker == 0xFF or marker == 0x01 or 0xD0 <= marker <= 0xD8:  # fill bytes, and markers without a length
            at += 1 if marker == 0xFF else 2
        elif 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:
            return int.from_bytes(head[at + 7 : at + 9], "big"), int.from_bytes(head[at + 5 : at + 7], "big")
        else:
            at += 2 + int.from_bytes(head[at + 2 : at + 4], "big")
    return None
