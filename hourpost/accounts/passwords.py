"""Passwords of people: argon2id with m = 19 MiB, t = 2, p = 1 (OWASP), off the event loop and few at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from hourpost.errors import Fault, ValidationFailed

T = TypeVar("T")

MIN_LENGTH = 10
MAX_LENGTH = 200

_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
# One hash costs tens of milliseconds of a core: two at once leave the rest of the machine to the mail.
_THREADS = ThreadPoolExecutor(max_workers=2, thread_name_prefix="argon2")


async def hash_password(password: str) -> str:
    """The argon2id hash to store. Raises: ValidationFailed for a password too short or too long."""
    check_password(password)
    return await asyncio.get_running_loop().run_in_executor(_THREADS, _HASHER.hash, password)


def check_password(password: str) -> None:
    """Raises: ValidationFailed for a password too short or too long."""
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        detail = f"a password has {MIN_LENGTH} to {MAX_LENGTH} characters"
        raise ValidationFailed([Fault("/password", detail)])


async def derive(work: Callable[[str, bytes], T], password: str, salt: bytes) -> T:
    """Something else that costs as much to make of a password, in the same few threads."""
    return await asyncio.get_running_loop().run_in_executor(_THREADS, work, password, salt)


async def is_password(password: str, password_hash: str | None) -> bool:
    """Whether it is the password; takes the same time where there is no hash to compare with."""
    if len(password) > MAX_LENGTH:
        return False
    return await asyncio.get_running_loop().run_in_executor(_THREADS, _verify, password, password_hash)


def _verify(password: str, password_hash: str | None) -> bool:
    try:
        if password_hash is None:
            _HASHER.hash(password)
            return False
        return _HASHER.verify(password_hash, password)
    except (Argon2Error, InvalidHashError):
        return False
