"""The way of an email, one file per step: accept, limit, store, enqueue, release, deliver, record.

How a client knocks belongs in ``api/``, when a step runs in ``workers/``, and what a thing is among the nouns.
"""
