"""The messages that conversations append, by name."""

from __future__ import annotations


def _letter(text: str) -> bytes:
    return text.lstrip("\n").replace("\n", "\r\n").encode()


LETTERS = {
    "plain": _letter(
        """
From: Ann Example <ann@example.org>
To: bob@example.net
Subject: Plain words
Date: Tue, 3 Feb 2026 10:00:00 +0100
Message-ID: <plain@example.org>

Good morning.
"""
    ),
    "answer": _letter(
        """
From: Bob <bob@example.net>
To: Ann Example <ann@example.org>
Cc: "Carol, Dr." <carol@example.net>
Subject: Re: Plain words
Date: Tue, 3 Feb 2026 11:00:00 +0100
Message-ID: <answer@example.net>
In-Reply-To: <plain@example.org>
References: <plain@example.org>

Good evening.
"""
    ),
    "mixed": _letter(
        """
From: ann@example.org
To: bob@example.net
Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=
Date: Wed, 4 Feb 2026 12:00:00 +0000
Message-ID: <mixed@example.org>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b1

preamble
--b1
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

Gr=C3=BC=C3=9Fe
--b1
Content-Type: message/rfc822

From: carol@example.net
Subject: Inside
Content-Type: multipart/alternative; boundary=b2

--b2
Content-Type: text/plain

inner text
--b2
Content-Type: text/html

<p>inner</p>
--b2--
--b1
Content-Type: application/octet-stream; name=data.bin
Content-Transfer-Encoding: base64
Content-Disposition: attachment; filename=data.bin

AAECAwQ=
--b1--
"""
    ),
}
