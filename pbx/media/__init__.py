"""The media plane: RTP between legs, relayed by a compiled loop in a thread of its own.

Importing this package costs nothing. `pbx.media.plane` holds `MediaPlane` (it loads numpy, and numba when it
starts), `pbx.media.values` the plain values that the rest of the service sees.
"""
