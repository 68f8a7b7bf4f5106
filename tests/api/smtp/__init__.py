"""The SMTP door, by dialogs and by real clients. The way of an email behind it is tested with the flow."""
