"""Spans: calls and the structure around them."""

from tollbook.spans._record import Record, Scalar

__all__ = ["Record", "Scalar"]
