"""Damage for property-based tests: bytes overwritten, a piece cut out, the rest cut off."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

# Half of it strikes where the structure is.
places = st.one_of(st.floats(0, 1), st.floats(0, 0.03), st.floats(0.97, 1))
damages = st.lists(st.tuples(places, st.integers(0, 40), st.binary(max_size=40)), min_size=1, max_size=4)

fuzz = settings(
    max_examples=200, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def damage(content: bytes, changes) -> bytes:
    for place, cut, insert in changes:
        start = int(place * len(content))
        content = content[:start] + insert + content[start + cut :]
    return content
