"""Text that attacks headers, and hypothesis strategies for text that might."""

from __future__ import annotations

from hypothesis import strategies as st

# CVE-2024-6923 and its relatives: each decodes to a line end somewhere, or is one
HIDDEN_LINE_ENDS = (
    "=?utf-8?q?=0A?=Bcc: x@y.test",
    "=?utf-8?q?=0D=0ABcc:_x@y.test?=",
    "=?utf-8?Q?a=0d?=",
    "=?UTF-8*en?q?=0A?=",
    "=?utf-8?b?Cg==?=Bcc: x@y.test",
    "=?utf-8?b?Cg?=",
    "=?utf-8?B?DQpCY2M6IHhAeS50ZXN0?=",
    "=?utf-8?q?=C2=85?=",
    "=?utf-8?q?=C2?= =?utf-8?q?=85?=",
    "=?utf-8?q?=E2=80=A8?=",
    "=?latin-1?q?=85?=",
    "=?utf-7?q?+AAo-?=",
    "=?utf-16?b?//4KAA==?=",
    "=?unicode_escape?q?\\n?=",
    "=?no-such-charset?q?=0A?=",
    "=?utf-8?q?=00?=",
    "=??q?=0A?=",
)
OPEN_LINE_ENDS = (
    "a\r\nBcc: x@y.test",
    "a\nBcc: x@y.test",
    "a\rBcc: x@y.test",
    "a\r\n\r\nbody",
    "a\r\n folded",
    "a\0b",
    "a\x85b",
    "a\u2028b",
    "a\u2029b",
    "a\x0bb",
    "a\x1cb",
    "a\x7fb",
    "a\ud800b",
)
ATTACKS = HIDDEN_LINE_ENDS + OPEN_LINE_ENDS

_PIECES = (
    *"ab1 .,;:@<>()[]\"\\%!=?_-+'/é日\t",
    "\r\n",
    "\n",
    "\r",
    "\x85",
    "\u2028",
    "a@b.test",
    "<a@b.test>",
    "=?utf-8?q?=0A?=",
    "=?utf-8?q?=C3=BC?=",
    "=?utf-8?b?w7w=?=",
    "Bcc: ",
)
hostile_text = st.lists(st.sampled_from(_PIECES), max_size=14).map("".join)
