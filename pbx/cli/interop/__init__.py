"""The interop suite: cases that are directories of data, SIPp as the phones, and ears of our own.

`case` reads a case, `service` starts the PBX it wants, `actors` runs SIPp and `trace` follows its messages,
`ends` speaks and listens at the RTP ports that SIPp announces, `audio` says what was heard, `runner` puts
them together, `report` tells the result.
"""
