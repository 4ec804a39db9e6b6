"""Reports: groups, sums and shares as rows, not text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tollbook._lazy import lazily

if TYPE_CHECKING:
    from tollbook.reports._advice import Advice
    from tollbook.reports._advise import advise
    from tollbook.reports._caching import CACHING_COLUMNS, CachingReport, CachingRow, caching
    from tollbook.reports._forecast import Forecast, forecast
    from tollbook.reports._period import moment
    from tollbook.reports._report import DIMENSIONS, Report, report
    from tollbook.reports._reprice import reprice
    from tollbook.reports._row import COLUMNS, Change, ReportRow
    from tollbook.reports._stats import Distribution
    from tollbook.reports._unusual import Mover, UnusualDay, unusual
    from tollbook.reports._whatif import WhatIf, WhatIfRow, what_if

__all__ = [
    "CACHING_COLUMNS",
    "COLUMNS",
    "DIMENSIONS",
    "Advice",
    "CachingReport",
    "CachingRow",
    "Change",
    "Distribution",
    "Forecast",
    "Mover",
    "Report",
    "ReportRow",
    "UnusualDay",
    "WhatIf",
    "WhatIfRow",
    "advise",
    "caching",
    "forecast",
    "moment",
    "report",
    "reprice",
    "unusual",
    "what_if",
]

__getattr__ = lazily(
    __name__,
    _advice="Advice",
    _advise="advise",
    _caching="CACHING_COLUMNS CachingReport CachingRow caching",
    _forecast="Forecast forecast",
    _period="moment",
    _report="DIMENSIONS Report report",
    _reprice="reprice",
    _row="COLUMNS Change ReportRow",
    _stats="Distribution",
    _unusual="Mover UnusualDay unusual",
    _whatif="WhatIf WhatIfRow what_if",
)
