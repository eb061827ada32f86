"""What every test shares: the Hypothesis profile, and a seed that repeats a red run."""

import os
import random

import pytest
from hypothesis import HealthCheck, settings

SEED = int(os.environ.get("TAKO_TEST_SEED") or random.SystemRandom().randrange(2**32))
os.environ["TAKO_TEST_SEED"] = str(SEED)  # the processes of pytest-xdist have it too
LONGEST = (
    "web/test_every_page",
    "web/test_flows_in_a_browser",
    "web/test_accessibility",
    "e2e/test_kill_at_every_command",
    "e2e/test_kill_at_every_answer",
    "docs/test_docs",
    "e2e/test_notify",
    "e2e/test_approvals",
    "web/test_openapi",
    "web/test_robots",
    "store/test_against_model",
    "e2e/test_random_night",
    "e2e/test_shutdown",
    "e2e/test_redeploys",
    "e2e/test_storage_trouble",
    "cli/test_audit",
)

settings.register_profile(
    "tako",
    deadline=None,  # a shared machine stalls; slowness is measured in bench/
    derandomize=False,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("tako")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Hypothesis has it too, unless it is given one of its own."""
    if config.option.hypothesis_seed is None:
        config.option.hypothesis_seed = str(SEED)


def pytest_report_header() -> str:
    return f"seed: TAKO_TEST_SEED={SEED} repeats the random choices of this run"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those that take longest begin first, so that at the end nobody waits for one of them."""
    order = {f"tests/{name}.py": at for at, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.nodeid.partition("::")[0], len(order)))


@pytest.fixture
def seed() -> int:
    """The seed of this test run, as the header of the run prints it."""
    return SEED


@pytest.fixture
def rng(seed: int, request: pytest.FixtureRequest) -> random.Random:
    """A random source of this test's own: the same seed and test give the same choices."""
    return random.Random(f"{seed}:{request.node.nodeid}")
