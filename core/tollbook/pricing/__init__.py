"""Pricing: what usage costs, by dated facts with a source."""

from tollbook.pricing._cost import Cost, Status

__all__ = ["Cost", "Status"]
