"""The dashboard: pages over reports, traces, prices and budgets, for a browser on this machine.

It needs the extra `tollbook[ui]`. Its pages are made on the server, with no build step and no request elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tollbook._lazy import lazily

if TYPE_CHECKING:
    from tollbook.web._app import make_app
    from tollbook.web._serve import Refused, serve

__all__ = ["Refused", "make_app", "serve"]

__getattr__ = lazily(__name__, _app="make_app", _serve="Refused serve")
