"""Compiles the media loop ahead of the first start: `python -m pbx.media.build`, as `make run` does."""

from pbx.media.plane import MediaPlane

_PORTS = range(20000, 30000)


def build() -> None:
    """Start a plane and stop it: what has to be compiled is in the cache afterwards."""
    plane = MediaPlane(ports=_PORTS, pool=1, progress=lambda line: print(f"pbx: {line}"))  # noqa: T201  # a command
    plane.start()
    plane.stop()


if __name__ == "__main__":
    build()
