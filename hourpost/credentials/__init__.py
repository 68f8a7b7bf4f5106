"""Credentials: API keys and SMTP credentials, and what whoever shows one may do.

The form of a token is in ``hourpost/rules/tokens.py``; how it is shown to us (header, AUTH) belongs to the doors.
"""
