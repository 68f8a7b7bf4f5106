"""What a stored mail says: its structure, what IMAP answers about it, what it is found and sorted by.

Everything is read by an iterative scanner over the bytes, never refused and never decoded twice. Composing mail and
checking what customers send live beside this folder in ``rules``; storing lives in ``hourpost.mailboxes``.
"""
