"""What the byte rules cost: ``python -m bench.bytes``; one core, a few seconds, no server.

Prints the best of five runs of each step beside its budget from the table of stages, in microseconds.
"""

from __future__ import annotations

import timeit
from collections.abc import Callable
from datetime import UTC, datetime

from hourpost.rules.addresses import parse_address, parse_path
from hourpost.rules.canonical import canonicalise, check_submitted
from hourpost.rules.dkim import SigningKey, generate_keys, hash_body, load_signing_key, sign
from hourpost.rules.mail.written import read_written
from hourpost.rules.mime import Content, build_message

DATE = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
LINE = "Lorem ipsum dolor sit amet, consectetur adipiscing elit sed do eiusmod.\n"
SMALL = Content(
    parse_address("Acme <hello@acme.test>"),
    (parse_address("someone@example.net"),),
    subject="Your receipt of today",
    text=LINE * 14,
    html=f"<html><body><p>{LINE * 13}</p></body></html>",
    headers=(("X-Entity", "7"),),
)
LARGE = SMALL._replace(text=LINE * 350, html="<html>" + f"        <p>{LINE}" * 300)
REPEATS = 5
SECONDS_PER_REPEAT = 0.1


def build(content: Content) -> bytes:
    """The message of a content."""
    return build_message(content, message_id="<em_1@acme.test>", date=DATE)


def signing_keys() -> tuple[SigningKey, SigningKey]:
    """A new RSA key and a new Ed25519 key."""
    rsa, ed25519 = generate_keys()
    return (
        load_signing_key("rsa1", "acme.test", "rsa-sha256", rsa.private_pem),
        load_signing_key("ed1", "acme.test", "ed25519-sha256", ed25519.private_pem),
    )


def measure(step: Callable[[], object]) -> float:
    """Microseconds of one call: the best of some runs, because what else runs only adds."""
    timer = timeit.Timer(step)
    calls = 1
    while timer.timeit(calls) < SECONDS_PER_REPEAT:
        calls *= 2
    return min(timer.repeat(REPEATS, calls)) / calls * 1e6


def steps() -> list[tuple[str, float | None, Callable[[], object]]]:
    """What is measured: its name, its budget in microseconds if there is one, and the call."""
    small, large = build(SMALL), build(LARGE)
    rsa, ed25519 = signing_keys()
    return [
        ("address, a@b", 2, lambda: parse_address("someone.else+tag@example-domain.test")),
        ("address, Name <a@b>", None, lambda: parse_address("Some One <someone@example-domain.test>")),
        ("path, <a@b>", 2, lambda: parse_path("<someone.else+tag@example-domain.test>")),
        ("build, 2 KB text and html", 18, lambda: build(SMALL)),
        ("build, 50 KB text and html", None, lambda: build(LARGE)),
        ("read, 2 KB", None, lambda: read_written(small)),
        ("check submitted, 2 KB", 30, lambda: check_submitted(small)),
        ("check submitted, 50 KB", 150, lambda: check_submitted(large)),
        ("canonicalise, 2 KB", None, lambda: canonicalise(small)),
        ("canonicalise, 50 KB", None, lambda: canonicalise(large)),
        ("hash body, 50 KB", 300, lambda: hash_body(large)),
        ("sign, 2 KB, RSA-2048", 310, lambda: sign(small, [rsa], DATE)),
        ("sign, 2 KB, Ed25519", None, lambda: sign(small, [ed25519], DATE)),
        ("sign, 50 KB, RSA-2048", None, lambda: sign(large, [rsa], DATE)),
    ]


def main() -> None:
    """Print the table."""
    print(f"{'step':<28} {'us':>8} {'budget':>8}")
    for name, budget, step in steps():
        print(f"{name:<28} {measure(step):>8.1f} {budget if budget is not None else '':>8}")


if __name__ == "__main__":
    main()
