"""What all tests share: no example of hypothesis fails because the machine was slow."""

from hypothesis import settings

settings.register_profile("tests", deadline=None)
settings.load_profile("tests")
