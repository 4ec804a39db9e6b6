"""What a call cost, and how that is known."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec

from tollbook._money import to_usd

Status = Literal["exact", "partial", "estimated", "unpriced", "manual"]


class Cost(msgspec.Struct, omit_defaults=True, gc=False):
    """What one call cost, in pico-dollars (1e-12 USD).

    `input` + `output` + `other` is `total`, unless the provider stated its charge: then `total` is the charge and
    `listed` is what the list price would have been. The lines behind the sums are the quantities of the usage times
    the rates of the cards.
    """

    total: int | None = None
    """None: unpriced."""
    input: int | None = None
    output: int | None = None
    other: int = 0
    """Tools, requests and all else that is neither sent nor generated."""
    status: Status = "exact"
    """`exact`; `partial`: a quantity has no price and is not in the sum; `estimated`: the usage was estimated, or a
    price was assumed; `unpriced`: nothing of it has a known price; `manual`: set by the program."""
    listed: int | None = None
    """What the list price comes to, where `total` is the provider's or the program's own figure."""
    cards: tuple[str, ...] = ()
    """Ids of the rate cards used: the response's, then one for each part of the usage, empty where there is none."""
    assumptions: tuple[str, ...] = ()
    """What was taken for granted, such as `service_tier=scale priced as standard`, and `no price for` what."""

    @property
    def total_usd(self) -> Decimal | None:
        """`total` in USD; None if unpriced."""
        return None if self.total is None else to_usd(self.total)

    @property
    def input_usd(self) -> Decimal | None:
        """`input` in USD; None if unknown."""
        return None if self.input is None else to_usd(self.input)

    @property
    def output_usd(self) -> Decimal | None:
        """`output` in USD; None if unknown."""
        return None if self.output is None else to_usd(self.output)
