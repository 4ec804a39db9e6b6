"""Where the command begins: what a prompt asks for once a second loads nothing that only other commands need."""

from __future__ import annotations

import os
import sys
from typing import Any, NoReturn


def start() -> None:
    """Run the command that was typed."""
    arguments = sys.argv[1:]
    plain = arguments[:1] == ["statusline"] and (
        len(arguments) == 1 or (len(arguments) == 3 and arguments[1] == "--store")
    )
    if plain and has_output():
        from tollbook.cli._status import status

        text = status(arguments[-1] if len(arguments) > 1 else None)
        try:
            sys.stdout.write(f"{text}\n")
            sys.stdout.flush()
        except OSError as error:
            fail(error)
        return
    from tollbook.cli import main

    main()


def has_output() -> bool:
    """Whether there is a standard output, be it one that can't be written to."""
    output: Any = sys.stdout
    return output is not None


def fail(error: OSError) -> NoReturn:
    """End with exit code 1 and one line, since the system refused something: most often to take the output.

    A pipe whose reader has read enough is no failure: exit code 0.
    """
    if has_output():
        try:
            sys.stdout.flush()
        except OSError:
            mute()
    if isinstance(error, BrokenPipeError):
        raise SystemExit(0)
    errors: Any = sys.stderr
    if errors is not None:
        # What has no file's name is not about a file that the command was told of.
        what = "the output can't be written" if error.filename is None else error.filename
        errors.write(f"Error: {what}: {error.strerror or error}\n")
    raise SystemExit(1)


def mute() -> None:
    """Let go of what standard output did not take, which Python would try to write again when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
