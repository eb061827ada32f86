"""The parts of the shop that others need."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.examples.parts import Part


@pytest.fixture
def payments(tmp_path: Path) -> Iterator[Part]:
    part = Part("payments", tmp_path)
    yield part
    part.kill()


@pytest.fixture
def mail(tmp_path: Path) -> Iterator[Part]:
    part = Part("mail", tmp_path)
    yield part
    part.kill()
