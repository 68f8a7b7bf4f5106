"""The HTTP door, asked from outside over a socket: what clients send, and what they are answered.

What a query finds or a rule decides has its tests beside that.
"""
