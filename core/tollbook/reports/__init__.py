"""Reports: groups, sums and shares as rows, not text."""

from tollbook.reports._period import moment
from tollbook.reports._report import DIMENSIONS, Report, report
from tollbook.reports._reprice import reprice
from tollbook.reports._row import COLUMNS, Change, ReportRow

__all__ = ["COLUMNS", "DIMENSIONS", "Change", "Report", "ReportRow", "moment", "report", "reprice"]
