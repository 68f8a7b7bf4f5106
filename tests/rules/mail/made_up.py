"""Made-up mail, well-formed and of every shape: nested, forwarded, with odd addresses, subjects and dates."""

from __future__ import annotations

import base64
import random

_WORDS = (
    "lunch",
    "Grüße",
    "[list]",
    "report",
    "Re:",
    "Fwd:",
    "re[3]:",
    "(fwd)",
    "[Fwd: x]",
    "日本",
    "FW:",
    "naïve",
    "É",
    "a",
    "B",
)
_NAMES = ("Ann Lee", '"Lee, Ann"', "=?utf-8?q?=C3=89mile?=", "", '"J \\"x\\" D"', "bob", "=?iso-8859-1?q?=FCber?=")
_ADDRESSES = ("ann@example.org", "Bob@Example.org", "carl@x.test", '"john doe"@x.test', "root", "zoe@a.b.c")
_LINES = ("line\r\n", "\r\n", ".\r\n", "caf=C3=A9 =\r\nau lait\r\n", "-- \r\n")
_FILES = (
    'image/png; name="a b.png"',
    "application/pdf; name*=utf-8''%C3%BC.pdf",
    "application/octet-stream",
    'audio/x; a="q\\"q"',
)
_PLACES = (
    "attachment",
    'inline; filename="x y"',
    'attachment; filename*0="a";\r\n filename*1="b"',
    "attachment; filename*0*=utf-8''a%20;\r\n filename*1*=b",
)
_MORE = (
    "Content-ID: <cid@x>",
    "Content-Description: some words",
    "Content-Language: en, de",
    "Content-MD5: abc==",
    "Content-Location: http://x",
)


class Maker:
    """Makes the same messages for the same seed; ids are few, so that messages answer one another."""

    def __init__(self, seed: int, ids: int = 300) -> None:
        self._chance = random.Random(seed)
        self._ids = [f"<{number}@x.test>" for number in range(ids)]
        self._made = 0

    def message(self, depth: int = 0) -> bytes:
        """A message; one of its own goes into no other."""
        chance = self._chance
        header = [
            *self._maybe(0.9, f"From: {self._address()}"),
            *self._maybe(0.2, f"Sender: {chance.choice(_ADDRESSES[:4])}"),
            *self._maybe(0.2, f"Reply-To: {self._addresses()}"),
            *self._maybe(0.9, f"To: {self._addresses()}"),
            *self._maybe(0.4, f"Cc: {self._addresses()}"),
            *self._maybe(0.95, f"Subject: {self._subject()}"),
            *self._maybe(0.9, f"Date: {self._date()}"),
        ]
        header += self._relations() if depth == 0 else []
        chance.shuffle(header)
        return "".join(f"{line}\r\n" for line in header).encode() + self._part(depth)

    def _relations(self) -> list[str]:
        """Its id, and what it answers of what was made before it."""
        before, self._made = self._ids[: self._made], self._made + 1
        header = self._maybe(0.9, f"Message-ID: {self._ids[self._made - 1]}")
        if before:
            chosen = [self._chance.choice(before) for _ in range(self._chance.randint(1, 3))]
            references = "\r\n ".join(sorted(set(chosen), key=before.index))
            header += self._maybe(0.5, f"References: {references}")
            header += self._maybe(0.2, f"In-Reply-To: {self._chance.choice(before)}")
        return header

    def _part(self, depth: int) -> bytes:
        shape = self._chance.random()
        if depth < 4 and shape < 0.35:
            return self._multipart(depth)
        if depth < 4 and shape < 0.5:
            header = ["Content-Type: message/rfc822", *self._maybe(0.3, "Content-Disposition: inline; filename=a.eml")]
            return _join(header, self.message(depth + 1))
        return self._text() if shape < 0.75 else self._file()

    def _multipart(self, depth: int) -> bytes:
        chance = self._chance
        boundary = f"b{depth}_{chance.randrange(10**6)}"
        kind = chance.choice(("mixed", "alternative", "related", "signed; micalg=x"))
        subtype, _, parameter = kind.partition(";")
        header = [f"Content-Type: multipart/{subtype}{';' + parameter if parameter else ''}; boundary={boundary}"]
        pieces = [chance.choice(("", "preamble\r\n")).encode()]
        for _ in range(chance.randint(1, 3)):
            pieces.append(f"--{boundary}\r\n".encode() + self._part(depth + 1) + b"\r\n")
        pieces.append(f"--{boundary}--\r\n{chance.choice(('', 'epilogue' + chr(13) + chr(10)))}".encode())
        return _join(header, b"".join(pieces))

    def _text(self) -> bytes:
        chance = self._chance
        charset = chance.choice(("", "; charset=utf-8", '; charset="us-ascii"; format=flowed', "; format=flowed"))
        header = [f"Content-Type: text/{chance.choice(('plain', 'html'))}{charset}"]
        header += self._maybe(0.5, f"Content-Transfer-Encoding: {chance.choice(('7bit', '8bit', 'quoted-printable'))}")
        return _join(header, "".join(chance.choice(_LINES) for _ in range(chance.randint(1, 6))).encode())

    def _file(self) -> bytes:
        chance = self._chance
        header = [f"Content-Type: {chance.choice(_FILES)}", "Content-Transfer-Encoding: base64"]
        header += [f"Content-Disposition: {chance.choice(_PLACES)}", *self._maybe(0.4, chance.choice(_MORE))]
        encoded = base64.encodebytes(chance.randbytes(chance.randint(1, 100)))
        return _join(header, encoded.replace(b"\n", b"\r\n"))

    def _maybe(self, share: float, line: str) -> list[str]:
        return [line] if self._chance.random() < share else []

    def _subject(self) -> str:
        text = " ".join(self._chance.choice(_WORDS) for _ in range(self._chance.randint(1, 4)))
        if text.isascii():
            return text
        return f"=?utf-8?b?{base64.b64encode(text.encode()).decode()}?="

    def _addresses(self) -> str:
        return ", ".join(self._address() for _ in range(self._chance.randint(1, 3)))

    def _address(self) -> str:
        name, address = self._chance.choice(_NAMES), self._chance.choice(_ADDRESSES)
        form = self._chance.random()
        if form < 0.1:
            return address
        if form < 0.2 and "@" in address:
            return f"{address} (A comment)"
        if form < 0.25:
            return f"group: {', '.join(_ADDRESSES[: self._chance.randint(0, 2)])};"
        return f"{name} <{address}>".strip()

    def _date(self) -> str:
        hour, zone = self._chance.randint(0, 23), self._chance.choice(("+0000", "-0800", "+0530", "GMT", "EST"))
        return f"Wed, {self._chance.randint(1, 28)} Nov 2026 {hour:02}:{self._chance.randint(0, 59):02}:00 {zone}"


def _join(header: list[str], body: bytes) -> bytes:
    return "".join(f"{line}\r\n" for line in header).encode() + b"\r\n" + body
