"""The page of the API says what its table of routes says."""

from tests.docs.api import PAGE, written


def test_the_page_of_the_api_has_every_route_every_shape_and_every_problem() -> None:
    """If it fails: ``python -m tests.docs.api``."""
    assert PAGE.read_text() == written(PAGE.read_text())
