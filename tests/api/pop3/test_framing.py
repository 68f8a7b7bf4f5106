"""Commands in whatever pieces they come, and whatever else comes on the line."""

from __future__ import annotations

import random
import socket

import pytest

from tests.api.pop3.dialog import Client
from tests.api.pop3.people import LETTERS, Person
from tests.fixtures.handshakes import leave_before_the_handshake, wait_until_no_handshakes

TALK = b"STAT\r\nLIST\r\nRETR 1\r\nTOP 2 1\r\nUIDL 3\r\nDELE 2\r\nRETR 2\r\nNOOP\nRSET\r\nRETR 3\r\nQUIT\r\n"


def talk(person: Person, pieces: list[bytes]) -> bytes:
    """All that is answered to these writes."""
    with Client(person.door) as client:
        client.log_in(person.username)
        for piece in pieces:
            client.send(piece)
        answers = []
        while (line := client.raw_line()) != b"<end>":
            answers.append(line)
    return b"".join(answers)


@pytest.mark.parametrize("seed", range(4))
def test_the_same_is_answered_in_whatever_pieces_commands_come(person: Person, seed: int) -> None:
    chance = random.Random(seed)
    person.put(len(LETTERS))
    whole = talk(person, [TALK])
    assert whole.endswith(b"+OK bye\r\n")
    cuts = sorted(chance.sample(range(1, len(TALK)), 20))
    pieces = [TALK[start:end] for start, end in zip([0, *cuts], [*cuts, len(TALK)], strict=True)]
    assert talk(person, pieces) == whole


def test_noise_ends_its_own_session_only(person: Person) -> None:
    chance = random.Random(110)
    words = (
        b"USER ",
        b"PASS ",
        b"AUTH PLAIN ",
        b"STLS\r\n",
        b"CAPA\r\n",
        b"QUIT",
        b"\r\n",
        b"\n",
        b"\0",
        b"\xff\xfe",
        b" ",
    )
    for _ in range(200):
        with socket.create_connection(("127.0.0.1", person.door.pop3), 10) as noisy:
            noise = b"".join(chance.choice((chance.choice(words), chance.randbytes(3))) for _ in range(60))
            noisy.sendall(noise)
            if chance.random() < 0.5:
                noisy.shutdown(socket.SHUT_WR)
    assert talk(person, [b"NOOP\r\nQUIT\r\n"]) == b"+OK\r\n+OK bye\r\n"
    person.door.wait_until_empty()


def test_who_leaves_before_the_handshake_leaves_nothing_behind(person: Person) -> None:
    leave_before_the_handshake(person.door.pop3, b"STLS\r\n")
    person.door.wait_until_empty()
    wait_until_no_handshakes(person.door.call)
