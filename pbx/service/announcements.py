"""What a waiting caller is told, as the names of sounds: words and numbers, one after the other."""

# Numbers are sounds of their own up to this one; nobody wants to hear a greater one.
MOST = 60


def announcement(position: int | None, expected_wait_s: float | None) -> list[str]:
    """The sounds that tell the position and the wait; what is None, or beyond all counting, is not said."""
    said: list[str] = []
    if position is not None and position <= MOST:
        said += ["queue-position", f"number-{position}"]
    if expected_wait_s is not None:
        minutes = max(1, round(expected_wait_s / 60))
        if minutes == 1:
            said += ["queue-wait-minute"]
        elif minutes <= MOST:
            said += ["queue-wait", f"number-{minutes}", "queue-minutes"]
    return said
