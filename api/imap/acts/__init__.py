"""What commands do, a file for each family; each act gives what stands behind the tag, or raises.

Acts call the store and write answers. They neither parse nor touch a socket, and never wait on a client except by
``outlet.drain``.
"""
