"""Accounts: the customers with their plans, who logs in for them, the audit log, and word of what changed.

What an account sends with (credentials, domains) has its own noun; counting its hour belongs to ``hourpost/flow``.
"""
