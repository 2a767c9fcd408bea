"""What a stranger may make us read, and what is answered past it (RFC 3261 §21).

A datagram or stream that breaks one of these is answered with the status beside it, when the top Via, From
and the like could be read; otherwise it is dropped and counted.
"""

from typing import Final

# The phrases of 513 and 413 by which an answer says what was too much, and the bound each stands for.
MESSAGE_TOO_LARGE: Final = "Message Too Large"
HEADERS_TOO_LARGE: Final = "Header Section Too Large"
TOO_MANY_HEADERS: Final = "Too Many Header Lines"
BODY_TOO_LARGE: Final = "Request Entity Too Large"
BOUND_OF_PHRASE: Final = {
    MESSAGE_TOO_LARGE: "message-octets",
    HEADERS_TOO_LARGE: "header-octets",
    TOO_MANY_HEADERS: "header-lines",
    BODY_TOO_LARGE: "body-octets",
}

# 513 Message Too Large (§21.5.7): one message, its start line, headers and body together.
MAX_MESSAGE: Final = 96 * 1024

# 513: from the start line to the empty line, in octets.
MAX_HEADER_SECTION: Final = 32 * 1024

# 513: header lines, after folded ones are joined.
MAX_HEADER_LINES: Final = 256

# 413 Request Entity Too Large (§21.4.11).
MAX_BODY: Final = 64 * 1024

# 400: values of one list header (Via, Route, Contact, Supported, …), over all its lines.
MAX_LIST_VALUES: Final = 128

# 400: octets of a host name (RFC 1035 §2.3.4).
MAX_HOST: Final = 255

# 400: parameters of one URI or header value.
MAX_PARAMETERS: Final = 64

# 400: the numbers of the grammar. CSeq §8.1.1.5, Max-Forwards §20.22, delta-seconds §20.19.
MAX_CSEQ: Final = 2**31 - 1
MAX_MAX_FORWARDS: Final = 255
MAX_SECONDS: Final = 2**32 - 1
MAX_CONTENT_LENGTH: Final = 2**32 - 1

# Parsed hosts and URIs that are remembered, and the longest URI that is (longer ones are parsed each time),
# so that the memory is at most a few MiB whoever fills it.
REMEMBERED_HOSTS: Final = 4096
REMEMBERED_URIS: Final = 4096
REMEMBERED_URI_LENGTH: Final = 256
