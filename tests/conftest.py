"""Fixtures that several folders of tests share. (Being here also lets tests import `damaged`.)"""

from pathlib import Path

import pytest

DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real data sets, beside the project; a test that asks for it skips without it."""
    if not DATA.is_dir():
        pytest.skip("needs the real data sets in ../shared/data")
    return DATA
