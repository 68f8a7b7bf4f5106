"""How answers are written: flags, dates, sets, names, and the attributes of FETCH.

Everything here is pure: values in, bytes out. What came from mail is quoted or a literal, so that no byte of it can
end a line.
"""
