"""Reports: groups, sums and shares as rows, not text."""

from tollbook.reports._report import COLUMNS, DIMENSIONS, Report, ReportRow, report

__all__ = ["COLUMNS", "DIMENSIONS", "Report", "ReportRow", "report"]
