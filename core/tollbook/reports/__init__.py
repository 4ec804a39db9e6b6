"""Reports: groups, sums and shares as rows, not text."""

from tollbook.reports._report import Report, ReportRow, report

__all__ = ["Report", "ReportRow", "report"]
