"""Mailboxes: what IMAP, POP3, delivery and the browser read and change; the truth is in PostgreSQL, any process serves.

Protocols, MIME and the wire belong to the doors and to ``rules.mail``; who may send and how fast belongs to the flow.

The map: ``queries`` and ``changes`` are the mailboxes themselves, ``login`` and ``app_passwords`` who enters them,
``folders`` and ``folder_changes`` their folders. Messages: ``append`` brings them in, ``messages`` reads rows and
``contents`` bytes, ``message_changes`` flags, copies, moves and expunges, ``changes_since`` tells what a client missed,
``search`` finds. ``store`` holds all of these for a process, and tells other processes after each commit.
"""
