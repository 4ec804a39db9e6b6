"""What one call used: disjoint quantities, and where they come from."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from tollbook._money import MOST, PICO
from tollbook.usage._buckets import BUCKETS, INPUT_TOKENS, LARGEST, OUTPUT_TOKENS

Source = Literal["reported", "estimated", "manual"]


class Part(msgspec.Struct, omit_defaults=True, gc=False):
    """What another model, or another pass of the same model, used inside one response, billed on its own.

    Anthropic's compaction and advisor iterations and OpenAI's image tool are such parts: their tokens are in no
    total of the response, and each is priced as a request of its own.
    """

    kind: str
    """`compaction`, `advisor`, `image_generation`, `svg`, ..."""
    quantities: dict[str, int]
    """As in `Usage`."""
    model: str | None = None
    """None: the model of the response."""


class Usage(msgspec.Struct, omit_defaults=True, gc=False):
    """What one call used.

    `quantities` maps names of `BUCKETS` to non-negative counts. The buckets are disjoint: cached tokens are not
    inside `input`, reasoning is not inside `output`. So totals are sums, and nothing is priced twice. A bucket that is
    missing holds nothing; if all were zero, at least one is there with 0; none at all means that no quantity is known.
    """

    quantities: dict[str, int]
    source: Source = "reported"
    """`reported` by the provider, `estimated` by us, or `manual` (set by the program)."""
    estimated: tuple[str, ...] = ()
    """Buckets that were estimated although the rest was reported (a stream that was cut)."""
    method: str | None = None
    """How an estimate was made, with its version, such as `characters/4`."""
    band: float | None = None
    """The error to expect of an estimate, as a fraction: 0.3 is plus or minus 30 percent."""
    parts: tuple[Part, ...] = ()
    charge: int | None = None
    """What the provider says it charged, in pico-dollars."""
    flags: tuple[str, ...] = ()
    """Contradictions in what was reported, such as `parts_exceed_input`."""
    extra: dict[str, Any] | None = None
    """Reported fields that no convention knows, as they came. Numbers and short names only."""

    @property
    def input_tokens(self) -> int:
        """All tokens sent, cached or not, of every modality, parts included."""
        return self._sum(INPUT_TOKENS)

    @property
    def output_tokens(self) -> int:
        """All tokens generated, reasoning and audio included, parts included."""
        return self._sum(OUTPUT_TOKENS)

    @property
    def total_tokens(self) -> int:
        """`input_tokens` + `output_tokens`."""
        return self.input_tokens + self.output_tokens

    def largest(self) -> int:
        """The largest of all quantities, parts included, by its absolute value."""
        counts = [*self.quantities.values(), *(count for part in self.parts for count in part.quantities.values())]
        return max(map(abs, counts), default=0)

    def _sum(self, names: frozenset[str]) -> int:
        total = 0
        for name, quantity in self.quantities.items():
            if name in names:
                total += quantity
        for part in self.parts:
            for name, quantity in part.quantities.items():
                if name in names:
                    total += quantity
        return total


def check(usage: Usage) -> None:
    """Make sure that a usage that a program made can be priced and kept: each part of it is what its type says.

    Raises:
        ValueError: It holds what is no bucket, a quantity that is no whole number from 0 to a trillion, or a charge
            that is no amount of money.
    """
    for quantities in (usage.quantities, *(part.quantities for part in usage.parts)):
        for name, quantity in quantities.items():
            if name not in BUCKETS:
                raise ValueError(f"there is no bucket {name!r}; one of {', '.join(BUCKETS)}")
            if type(quantity) is not int or quantity < 0:
                raise ValueError(f"{name} must be a whole number, 0 or more, and not {quantity!r}")
            if quantity > LARGEST:
                raise ValueError(f"too much for one call: a quantity must not exceed {LARGEST:,}")
    if usage.charge is not None:
        if type(usage.charge) is not int or usage.charge < 0:
            raise ValueError(f"charge must be a whole number of pico-dollars, 0 or more, and not {usage.charge!r}")
        if usage.charge >= MOST * PICO:
            raise ValueError(f"too much money for one call: it must be less than {MOST:,} USD")
