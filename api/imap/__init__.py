"""The IMAP door: mailboxes on 143 (STARTTLS) and 993 (TLS), RFC 3501, 9051 and their extensions.

Here belongs what speaks IMAP: bytes in, bytes out, the states of a session. How mail is stored and what a message
looks like inside does not: that is ``hourpost.mailboxes`` and ``hourpost.rules.mail``.
"""
