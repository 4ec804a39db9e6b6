"""What can go wrong between a program and its ledger."""

from __future__ import annotations


class StoreError(Exception):
    """The ledger can't be read or written now; the text says why and what to do. Nothing recorded is lost by it."""


class DamageError(StoreError):
    """The database file is damaged."""
