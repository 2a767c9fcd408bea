from collections.abc import Iterator

import pytest

from pbx.media import cache
from pbx.media.plane import MediaPlane
from tests.media.support import Phones, new_plane

# Kernels are imported by the tests themselves, so numba is told where to keep them first.
cache.prepare()


@pytest.fixture
def plane() -> Iterator[MediaPlane]:
    running = new_plane()
    yield running
    assert running.canaries_stand()
    running.stop()


@pytest.fixture
def phones() -> Iterator[Phones]:
    made = Phones()
    yield made
    made.close()
