"""Messages that the tests of the scanner share, and their mutations."""

from __future__ import annotations

import random
from collections.abc import Iterator


def crlf(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode()


PLAIN = crlf("""From: Ann <ann@example.org>
To: bob@example.net
Subject: Lunch
Date: Wed, 25 Nov 2026 19:52:00 +0100
Message-ID: <1@example.org>

See you there.
""")

NESTED = crlf("""From: "Lee, Ann" <ann@example.org>
To: Bob <bob@example.net>, team: carl@example.com, Dora <dora@example.com>;
Cc: undisclosed-recipients:;
Sender: <>
Subject: Fwd: =?utf-8?q?Gr=C3=BC=C3=9Fe?=
Date: 25 Nov 26 19:52 EST
Message-ID: <2@example.org>
In-Reply-To: <1@example.org>
References: <0@example.org>
 <1@example.org>
Content-Type: multipart/mixed; boundary="out"

preamble
--out
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

caf=C3=A9 =
au lait
--out
Content-Type: message/rfc822

From: inner@example.org
Subject: Inside
Content-Type: multipart/alternative; boundary=in

--in

one
--in
Content-Type: text/html

<p>two</p>
--in--

--out
Content-Type: message/rfc822

Subject: Alone

just text
--out
Content-Type: application/pdf; name*0*=utf-8''%C3%BC; name*1=ber.pdf
Content-Disposition: attachment
Content-Transfer-Encoding: base64

JVBERi0=
--out--
epilogue
""")

DIGEST = crlf("""Subject: digest
Content-Type: multipart/digest; boundary=d

--d

Subject: first

a
--d

Subject: second

b
--d--
""")

ALL = (PLAIN, NESTED, DIGEST)
_INSERTED = (
    b"\r\n", b"\n", b"\r", b"\0", b"--out", b"--out--\r\n", b"--in\r\n", b"\xff\xfe", b'"', b"(", b"<", b"@", b":", b";", b",",  # noqa: E501
    b"=?utf-8?b?", b"?=", b"\\", b"Content-Type: multipart/mixed; boundary=out\r\n", b"Content-Type: message/rfc822\r\n",  # noqa: E501
    b"=?x?q?=00?=", b"&#99999999999;", b"<!--", b"<style>", b" ", b"*0*=", b"charset=utf-7", b"charset=utf-16", b"[Fwd: Re: ",  # noqa: E501
)  # fmt: skip


def list_mutations(number: int, seed: int) -> Iterator[bytes]:
    """Messages with a few bytes cut, doubled, swapped or put in at random; the same ones for the same seed."""
    chance = random.Random(seed)
    for _ in range(number):
        message = bytearray(chance.choice(ALL))
        for _ in range(chance.randint(1, 12)):
            at = chance.randrange(len(message) + 1)
            until = min(len(message), at + chance.choice((0, 0, 1, 5, 80)))
            message[at:until] = chance.choice(
                (chance.choice(_INSERTED), message[at:until] * 2, b"", chance.randbytes(2))
            )
        yield bytes(message)
