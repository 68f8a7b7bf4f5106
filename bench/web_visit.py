"""A browser without a script, and how long the server takes to answer it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from statistics import median

import httpx

_TURNS = 7


def visit(port: int) -> httpx.Client:
    """Somebody who is not logged in yet."""
    base = f"http://127.0.0.1:{port}"
    headers = {"Origin": base, "Sec-Fetch-Site": "same-origin"}
    return httpx.Client(base_url=base, headers=headers, timeout=60, trust_env=False)


def log_in(http: httpx.Client, email: str, password: str, door: str = "/login") -> None:
    """Through the form. Raises: RuntimeError where that does not lead on."""
    answer = http.post(door, data={"email": email, "password": password})
    if answer.status_code != 303:
        raise RuntimeError(f"{door} answered {answer.status_code}")


def time_page(http: httpx.Client, path: str) -> float:
    """Milliseconds from question to answer, the median of several. Raises: RuntimeError where it is no page.

    A link that was mailed is worth nothing here: it is looked up, and the page says so with 404.
    """
    return median(_turns(http, path, 404 if "token=" in path else 200))


def _turns(http: httpx.Client, path: str, status: int) -> Iterator[float]:
    for _ in range(_TURNS):
        began_at = time.perf_counter()
        answer = http.get(path)
        yield (time.perf_counter() - began_at) * 1000
        if answer.status_code != status:
            raise RuntimeError(f"{path} answered {answer.status_code}")
