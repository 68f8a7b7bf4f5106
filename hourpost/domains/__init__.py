"""Domains: which account may send from which, how that was proved in DNS, and the keys that sign for them.

Asking DNS is a gateway; putting a signature on a message belongs to ``hourpost/rules/dkim.py`` and the flow.
"""
