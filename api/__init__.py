"""The doors a client can knock on: HTTP and SMTP, each a folder that translates between its protocol and the flow.

No rule of the business lives here, and no door imports another.
"""
