"""genai-prices' data without its code, whose import brings pydantic and an HTTP client that the host never asked for.

Some SDKs look in `sys.modules` for that client, and fail if they meet it while another thread is still importing it.
The data is a Python module that names the classes of `genai_prices.types`; here it gets ours, in `types`.
"""

from __future__ import annotations

import builtins
import importlib.machinery
import importlib.util
from typing import Any

from tollbook.pricing._listed import types


def read(module: str) -> dict[str, Any]:
    """The names that the module `genai_prices.<module>` defines, from its own compiled code.

    Raises:
        ImportError: The package is not installed, or has no such module.
    """
    package = importlib.util.find_spec("genai_prices")
    places = None if package is None else package.submodule_search_locations
    spec = importlib.machinery.PathFinder.find_spec(f"genai_prices.{module}", places)
    loader: Any = None if spec is None or places is None else spec.loader
    if loader is None:
        raise ImportError(f"genai_prices.{module} is not installed", name=f"genai_prices.{module}")
    code = loader.get_code(f"genai_prices.{module}")
    found: dict[str, Any] = {"__name__": f"{__name__}.{module}", "__package__": __name__}
    # What a newer version of the data names and we don't know must not cost all other prices.
    for name in code.co_names:
        if not hasattr(types, name) and not hasattr(builtins, name):
            found[name] = type(name, (types.Unknown,), {})
    exec(code, found)  # noqa: S102 - what importing the module does
    return found
