"""Who has a mailbox in these tests, and the letters in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from tests.api.pop3.running import RunningDoor

LETTERS = (
    b"Subject: one\r\n\r\nfirst\r\nsecond\r\nthird\r\n",
    b"Subject: two\r\n\r\n.\r\n..\r\n.dot\r\nlast\r\n",
    b"Subject: three\r\nFrom: a@acme.test\r\n\r\nno end of line",
)


@dataclass
class Person:
    """A mailbox behind the door."""

    door: RunningDoor
    username: str
    place: tuple[UUID, UUID]
    uidvalidity: int
    uids: list[int] = field(default_factory=list)

    def put(self, count: int) -> None:
        """Have the first letters in INBOX."""
        if count:
            self.receive(*LETTERS[:count])

    def receive(self, *contents: bytes) -> None:
        self.uids += self.door.put(self.place, contents)

    def name_of(self, number: int) -> str:
        """What UIDL calls a message."""
        return f"{self.uidvalidity:08x}.{self.uids[number - 1]:08x}"

    def fill_in(self, text: str) -> str:
        for number in range(len(self.uids), 0, -1):
            text = text.replace(f"{{uid{number}}}", self.name_of(number))
        return text.replace("{user}", self.username)
