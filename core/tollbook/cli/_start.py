"""Where the command begins: what a prompt asks for once a second loads nothing that only other commands need."""

from __future__ import annotations

import sys


def start() -> None:
    """Run the command that was typed."""
    arguments = sys.argv[1:]
    plain = arguments[:1] == ["statusline"] and (
        len(arguments) == 1 or (len(arguments) == 3 and arguments[1] == "--store")
    )
    if plain:
        from tollbook.cli._status import status

        sys.stdout.write(f"{status(arguments[-1] if len(arguments) > 1 else None)}\n")
        return
    from tollbook.cli import main

    main()
