"""What every test shares: the Hypothesis profile, and a seed that repeats a red run."""

import os
import random

import pytest
from hypothesis import HealthCheck, settings

SEED = int(os.environ.get("TAKO_TEST_SEED") or random.SystemRandom().randrange(2**32))

settings.register_profile(
    "tako",
    deadline=None,  # a shared machine stalls; slowness is measured in bench/
    derandomize=False,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("tako")


def pytest_report_header() -> str:
    return f"seed: TAKO_TEST_SEED={SEED} repeats the random choices of this run"


@pytest.fixture
def seed() -> int:
    """The seed of this test run, as the header of the run prints it."""
    return SEED


@pytest.fixture
def rng(seed: int, request: pytest.FixtureRequest) -> random.Random:
    """A random source of this test's own: the same seed and test give the same choices."""
    return random.Random(f"{seed}:{request.node.nodeid}")
