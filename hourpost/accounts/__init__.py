"""Accounts: the customers with their plans, the people who log in for them, and word of what changed about them.

What an account sends with (credentials, domains) has its own noun; counting its hour belongs to ``hourpost/flow``.
"""
