"""RTP and RTCP (RFC 3550), telephone events (RFC 4733) and quality; no sockets, no clocks.

These are the scalar forms: the service's packets go through the compiled loop of `pbx.media`, whose kernels
are tested against them.
"""
