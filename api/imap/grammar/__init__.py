"""What clients write: framing of commands, and their grammar to frozen dataclasses.

Nothing here reads a socket, looks at a folder or knows a session. What is malformed raises ``BadCommand``.
"""
