"""Mailboxes: what IMAP, POP3, delivery and the browser read and change; the truth is in PostgreSQL, any process serves.

Protocols, MIME and the wire belong to the doors and to ``rules.mail``; who may send and how fast belongs to the flow.

The map:

- who: ``queries`` and ``changes`` are the mailboxes, ``addressing`` what they are reached by, ``login`` with its
  ``login_lookup`` and ``login_memory`` and ``app_passwords`` who enters them, ``submitters`` who sends as them;
- folders: ``folders`` reads them, ``folder_changes`` changes them, ``quota`` says how full all are together;
- messages in: ``parcels`` is what comes, ``append`` gathers it into commits of ``append_statements``;
- messages read: ``messages`` rows, ``contents`` bytes, ``known_uids`` and ``changes_since`` what a client missed,
  ``search`` with its ``search_conditions`` finds;
- messages changed: ``message_changes`` flags and expunges, ``message_copies`` copies and moves, ``keywords`` numbers;
- ``store`` holds all of these for a process and tells others after each commit, ``sweep`` clears away;
- for one door each: ``maildrop`` (POP3); ``listing``, ``reading``, ``flag_words``, ``answering``, ``drafts`` and
  ``deleting`` (REST and the browser).
"""
