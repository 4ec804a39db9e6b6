"""What the lines of a journal say."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from tollbook.ledger._repair import decoded
from tollbook.ledger._spool import FORMAT
from tollbook.spans import Record

_CHUNK = 512 << 10
"""Bytes that are stored in one transaction: for somewhat more than a full batch."""
_PIECE = 8 << 10
"""Bytes of which records are made, and stored, before more are: see `_batch.Batch`."""

_BEGINNING = b'{"trace_id":'
"""Of each line that is a record."""
_record = msgspec.json.Decoder(Record)


class _Other(msgspec.Struct):
    """A line that is no record."""

    spool: int | None = None
    """The journal's format: its first line."""
    card: msgspec.Raw = msgspec.Raw()
    dropped: int | None = None
    """How many records the process could not keep before."""


class _Identified(msgspec.Struct):
    id: str


_other = msgspec.json.Decoder(_Other)
_identified = msgspec.json.Decoder(_Identified)


class Lines:
    """What was read from a piece of a journal."""

    __slots__ = ("cards", "dropped", "newer", "records", "rejected")

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.cards: list[tuple[str, bytes]] = []
        """Id and JSON."""
        self.dropped = 0
        self.rejected: list[bytes] = []
        """Lines that make no sense."""
        self.newer = False
        """The journal is of a newer format: nothing can be said about it."""

    def take(self, more: Lines) -> None:
        """Add what `more` has beside records."""
        self.cards += more.cards
        self.dropped += more.dropped
        self.rejected += more.rejected


def read(fd: int, position: int, end: int) -> bytes:
    """Whole lines of the journal from `position` on, not beyond `end`; what follows the last line break is left."""
    size = _CHUNK
    while True:
        os.lseek(fd, position, os.SEEK_SET)  # `pread` is not everywhere
        data = os.read(fd, min(size, end - position))
        whole = data.rfind(b"\n") + 1
        if whole or len(data) < size:
            return data[:whole]
        size *= 4  # a line as long as this was never written by us, but must not stop what follows it


def pieces(data: bytes) -> Iterator[bytes]:
    """Whole lines, a few at a time."""
    first = 0
    while first < len(data):
        last = data.rfind(b"\n", first, first + _PIECE) + 1 or data.find(b"\n", first + _PIECE) + 1 or len(data)
        yield data[first:last]
        first = last


def read_rest(fd: int, position: int) -> bytes:
    """What a process that died left behind its last whole line."""
    os.lseek(fd, position, os.SEEK_SET)
    return os.read(fd, 64 << 20)


def parse(data: bytes) -> Lines:
    """What whole lines say."""
    lines = Lines()
    try:
        lines.records = _record.decode_lines(data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        # Some lines are no records: cards, the first line, or damage. Rare, so the usual case can be one call.
        for line in data.split(b"\n"):
            if line:
                _parse_line(line, lines)
    return lines


def _parse_line(line: bytes, lines: Lines) -> None:
    try:
        lines.records.append(_record.decode(line))
    except (msgspec.MsgspecError, UnicodeDecodeError):
        if line.startswith(_BEGINNING) and (mended := decoded(line)) is not None:
            lines.records.append(mended)
            return
        try:
            _parse_other(line, lines)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            lines.rejected.append(line)


def _parse_other(line: bytes, lines: Lines) -> None:
    other = _other.decode(line)
    if card := bytes(other.card):
        lines.cards.append((_identified.decode(card).id, card))
    elif other.dropped is not None:
        lines.dropped += other.dropped
    elif other.spool is not None:
        lines.newer = lines.newer or other.spool > FORMAT
    else:
        lines.rejected.append(line)


def count(path: Path, position: int) -> int:
    """The number of records in the whole lines of a journal from `position` on."""
    try:
        with path.open("rb") as file:
            file.seek(position)
            return sum(line.startswith(_BEGINNING) for line in file if line.endswith(b"\n"))
    except FileNotFoundError:
        return 0
