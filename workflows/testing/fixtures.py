"""pytest: `from workflows.testing.fixtures import playground` in a test module or in conftest.py gives its tests the
fixture; `pytest_plugins = ["workflows.testing.fixtures"]` in the topmost conftest.py gives it to all."""

import pytest

from workflows.testing.playground import Playground


@pytest.fixture
def playground() -> Playground:
    """Local mode on a virtual clock of the test's own."""
    return Playground()
