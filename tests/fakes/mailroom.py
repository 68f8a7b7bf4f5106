"""A way in that knows a fixed cast of addresses, and remembers what came."""

from __future__ import annotations

from uuid import UUID

from hourpost.errors import HourpostError
from hourpost.flow.receive import Envelope
from hourpost.inbound.addressees import Addressee
from hourpost.mailboxes.queries import Recipient

ACCOUNT = UUID(int=1)
QUOTA_BYTES = 1_000_000


def addressee(address: str, *, used_bytes: int = 0, known_as: int = 3, quota_bytes: int = QUOTA_BYTES) -> Addressee:
    mailbox = Recipient(address, UUID(int=known_as), ACCOUNT, UUID(int=4), None, quota_bytes, used_bytes)
    return Addressee(address, ACCOUNT, mailbox, None)


class RecordingMailroom:
    """Every address of ``acme.test`` that begins with ``box`` is a mailbox, ``full`` one that is full.

    ``nearly`` has room for 2,000 bytes; ``large`` and ``wide`` are mailboxes of their own with room for anything.
    """

    def __init__(self) -> None:
        self.came: list[tuple[Envelope, bytes]] = []
        self.error: HourpostError | Exception | None = None

    def reset(self) -> None:
        self.__init__()

    async def find(self, address: str) -> Addressee | None:
        local, _, domain = address.partition("@")
        if domain != "acme.test":
            return None
        if local == "full":
            return addressee(address, used_bytes=QUOTA_BYTES)
        if local == "nearly":
            return addressee(address, used_bytes=QUOTA_BYTES - 2000)
        if local in ("large", "wide"):
            return addressee(address, known_as=5 + len(local), quota_bytes=10**9)
        return addressee(address) if local.startswith("box") else Addressee(address, ACCOUNT, None, None)

    async def find_postmaster(self, address: str, *, is_hosted: bool) -> Addressee | None:
        is_one = address == "postmaster@mail.test" or (is_hosted and address.startswith("postmaster@"))
        return addressee("box@acme.test") if is_one else None

    async def receive(self, envelope: Envelope, raw: bytes) -> str:
        if self.error is not None:
            raise self.error
        self.came.append((envelope, raw))
        return "in_1"
