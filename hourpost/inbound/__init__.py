"""Mail that comes in: whom it is for, the routes that post it to a URL, and what it says about mail that we sent.

Storing it, and all that follows from it in the same transaction, is the flow's (``flow/receive.py``).
"""
