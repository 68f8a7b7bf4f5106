"""The routes of the public contract, a file for each noun; the same routes answer at the root.

Pages for people belong in ``dashboard``.
"""
