"""The web inbox: mailboxes read and written in the browser, over the same functions that IMAP and the REST API use.

Who is in here is a mailbox with its own password, not a user of the dashboard; no rule of the business lives here.
"""
