"""The outside world, one file each: a Protocol and the real thing; no client library is used anywhere else.

What is decided with the answers belongs in the rules and the flow.
"""
