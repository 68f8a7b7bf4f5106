"""The POP3 door: INBOX fetched, and emptied as the client says, on 110 with STLS and on 995 under TLS (RFC 1939).

What a mailbox holds and who may enter it belongs in ``hourpost.mailboxes``; this folder holds only the protocol.
"""
