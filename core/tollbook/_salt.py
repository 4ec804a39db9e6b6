"""The secret of this ledger by which names of people become pseudonyms that only its owner can look up."""

from __future__ import annotations

import logging
import os
import re
from hashlib import blake2b
from pathlib import Path

from tollbook._paths import make_private, store_path

VARIABLE = "TOLLBOOK_SALT"
"""The environment variable that holds the secret itself, for machines that must agree on their pseudonyms."""

_BYTES = 32
_MOST = 10_000
_PSEUDONYM = re.compile(r"u_[0-9a-f]{20}")

place: str | Path | None = None
"""The ledger in use, as `store_path` takes it: the secret lies beside it. Set by the runtime."""

_known: dict[str, str] = {}
_salt: bytes | None = None

log = logging.getLogger("tollbook")


def pseudonym(name: str) -> str:
    """`u_` and 20 hex digits that stand for `name`, the same wherever the secret is; a pseudonym stands for itself."""
    found = _known.get(name)
    if found is None:
        if _PSEUDONYM.fullmatch(name):
            return name
        if len(_known) >= _MOST:
            _known.clear()
        found = _known[name] = _hashed(name, _secret())
    return found


def user_pseudonym(id: object, *, secret: str | Path | None = None) -> str:  # noqa: A002 - the word for it
    """The pseudonym under which `attribute(user=id)` books, to look a user up in reports: `u_` and 20 hex digits.

    It is made whether or not `hash_users` is on.

    Args:
        id: The user's id, just as the program gives it: text, or a number.
        secret: The file with an earlier secret, for calls that were booked under it; None: that of the ledger in use,
            which is made if there is none.

    Raises:
        OSError: The file can't be read, or is no secret.
    """
    name = id if isinstance(id, str) else str(id)
    if secret is None or _PSEUDONYM.fullmatch(name):
        return pseudonym(name)
    return _hashed(name, _read(Path(secret)))


def _hashed(name: str, secret: bytes) -> str:
    # Half a character as the escape that `attribute` makes of it.
    return "u_" + blake2b(name.encode(errors="backslashreplace"), key=secret, digest_size=10).hexdigest()


def digest(data: bytes) -> str:
    """16 hex digits that stand for `data`, the same wherever the secret is."""
    return blake2b(data, key=_secret(), digest_size=8).hexdigest()


def forget() -> None:
    """Look for the secret again: another ledger is in use."""
    global _salt
    _salt = None
    _known.clear()


def salt_path() -> Path:
    """The file that holds the secret of the ledger in use."""
    store = store_path(place)
    return store.with_name(store.name + ".salt")


def _secret() -> bytes:
    global _salt
    if _salt is None:
        given = os.environ.get(VARIABLE)
        _salt = (
            blake2b(given.encode(errors="surrogateescape"), digest_size=_BYTES).digest()
            if given
            else _from_file(salt_path())
        )
    return _salt


def _from_file(path: Path) -> bytes:
    try:
        return _made(path)
    except OSError as error:
        log.warning(
            "tollbook can't keep its secret in %s (%s): pseudonyms of users change with every start of the program; "
            "set %s",
            path,
            error.strerror or error,
            VARIABLE,
        )
        return os.urandom(_BYTES)


def _made(path: Path) -> bytes:
    """The secret in `path`, which is made if it is not there; of all that make it at once, each gets the first one."""
    try:
        return _read(path)
    except FileNotFoundError:
        make_private(path.parent)
        # Whole before it has its name. The draft is nobody else's: not another thread's, nor, in another container,
        # that of a process with the same number.
        draft = path.with_name(f"{path.name}.{os.urandom(8).hex()}")
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            try:
                os.write(fd, os.urandom(_BYTES))
            finally:
                os.close(fd)
            _name(draft, path)
        finally:
            draft.unlink(missing_ok=True)
        return _read(path)


def _name(draft: Path, path: Path) -> None:
    try:
        os.link(draft, path)
    except FileExistsError:
        return
    except OSError:  # some file systems have no links
        if not path.exists():
            draft.replace(path)


def _read(path: Path) -> bytes:
    found = path.read_bytes()
    if len(found) < _BYTES:
        raise OSError("it is too short")
    return found[:_BYTES] if len(found) == _BYTES else blake2b(found, digest_size=_BYTES).digest()
