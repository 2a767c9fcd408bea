"""The names that plugins import are a promise: this list changes only on purpose."""

import pbx

NAMES = (
    "Answer Call Caller Conference Continue Decision Defer Dial DialOutcome Echo Goto Handler Hangup Include "
    "Line Menu Outcome Play Queue Redirect Reject Samples Side Standing Strategy Talk Tap TrunkTarget "
    "UriTarget UserTarget Voicemail Wanted"
)


def test_public_names() -> None:
    assert pbx.__all__ == NAMES.split()
    assert all(hasattr(pbx, name) for name in pbx.__all__)
