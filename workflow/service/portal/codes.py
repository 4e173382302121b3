"""Tracking codes (查询码): ten signs without look-alikes, 50 bits, of which only an argon2 hash is kept."""

from __future__ import annotations

import functools
import hashlib
import hmac
import secrets
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_SIGNS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's: no I, L, O, U
_LENGTH: Final = 10
_ALIKE = str.maketrans("ILO", "110", " -－")
_hasher = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)


def new() -> str:
    """A fresh code, as it is shown: `7K3QD-X0A9F`."""
    return _shown(secrets.token_bytes(_LENGTH))


def of_draft(token: str) -> str:
    """The code of the application that the draft held by `token` becomes: the same each time."""
    return _shown(hmac.new(token.encode(), b"tracking code", hashlib.sha256).digest())


def _shown(random: bytes) -> str:
    signs = "".join(_SIGNS[byte % 32] for byte in random[:_LENGTH])
    return f"{signs[:5]}-{signs[5:]}"


def plain(code: str) -> str:
    """The code as it is compared: case, blanks and look-alikes do not matter."""
    return code.upper().translate(_ALIKE)[:64]


def hash_of(code: str) -> str:
    """What is kept of a code."""
    return _hasher.hash(plain(code))


def fits(code: str, code_hash: str | None) -> bool:
    """Whether `code` is the one hashed. Takes as long when there is none (`code_hash` None), so that nobody can tell
    an unknown number from a wrong code."""
    try:
        _hasher.verify(code_hash or _nobody(), plain(code))
    except (VerificationError, InvalidHashError):
        return False
    return code_hash is not None


@functools.cache
def _nobody() -> str:
    """A hash of its own that no code fits."""
    return _hasher.hash(secrets.token_hex(32))
