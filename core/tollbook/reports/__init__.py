"""Reports: groups, sums and shares as rows, not text."""

from tollbook.reports._caching import CACHING_COLUMNS, CachingReport, CachingRow, caching
from tollbook.reports._period import moment
from tollbook.reports._report import DIMENSIONS, Report, report
from tollbook.reports._reprice import reprice
from tollbook.reports._row import COLUMNS, Change, ReportRow

__all__ = [
    "CACHING_COLUMNS",
    "COLUMNS",
    "DIMENSIONS",
    "CachingReport",
    "CachingRow",
    "Change",
    "Report",
    "ReportRow",
    "caching",
    "moment",
    "report",
    "reprice",
]
