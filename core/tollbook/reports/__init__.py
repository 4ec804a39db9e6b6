"""Reports: groups, sums and shares as rows, not text."""

from tollbook.reports._period import moment
from tollbook.reports._report import COLUMNS, DIMENSIONS, Report, ReportRow, report
from tollbook.reports._reprice import reprice

__all__ = ["COLUMNS", "DIMENSIONS", "Report", "ReportRow", "moment", "report", "reprice"]
