"""SIP (RFC 3261) as values and pure machines: bytes and times in, messages and outputs out, no sockets."""
