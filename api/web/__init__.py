"""The HTTP door: requests are checked and translated here, and errors into the one body that clients know.

What an email, a domain or a limit is does not belong here.
"""
