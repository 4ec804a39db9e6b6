"""Names from servers and programs, made harmless to look at."""

from __future__ import annotations


def clean(text: str) -> str:
    """The text with everything that is not plainly visible (control, format and line characters) spelled out."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
