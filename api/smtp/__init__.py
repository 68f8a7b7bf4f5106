"""The SMTP door: submission by customers on 587 and 465, and port 25, which refuses to relay.

What a message must be and what becomes of it belongs in ``hourpost/``; SMTP to our relays in its gateway.
"""
