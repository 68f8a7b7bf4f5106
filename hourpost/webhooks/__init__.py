"""Webhooks: the addresses of customers that are called when something happens to an email, and the calls themselves.

What happens, and the statements that write it, belong to ``hourpost/flow``; they take ``telling`` along.
"""
