"""The server that most tests of this folder ask, in a process of its own."""

from collections.abc import Iterator

import pytest
from servers import Server, serving


@pytest.fixture(scope="session")
def server(bundle_path, tmp_path_factory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    with serving(folder, bundle_path, playground=True) as running:
        yield running
