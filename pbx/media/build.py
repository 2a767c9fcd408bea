"""What is made ahead of the first start, as `make run` does by `python -m pbx.media.build`.

The media loop is compiled, and the built-in prompts are spoken, each into its cache.
"""

import os

from pbx.errors import OperatorError
from pbx.media.plane import MediaPlane
from pbx.media.sounds import SoundLibrary, default_cache

_PORTS = range(20000, 30000)


def build() -> None:
    """Start a plane and stop it: what has to be compiled is in the cache afterwards. Then the prompts."""
    plane = MediaPlane(ports=_PORTS, pool=1, progress=_say)
    plane.start()
    plane.stop()
    try:
        count = SoundLibrary([], default_cache()).prepare(at_once=os.cpu_count() or 1)
    except OperatorError as error:
        # The service works without: only who plays a prompt needs it.
        _say(str(error))
    else:
        if count:
            _say(f"{count} prompts were spoken")


def _say(line: str) -> None:
    print(f"pbx: {line}")  # noqa: T201  # a command


if __name__ == "__main__":
    build()
