"""Settings for all tests."""

from hypothesis import settings

# A busy machine is no failure: the time of an example says nothing about what is tested.
settings.register_profile("house", deadline=None)
settings.load_profile("house")
