"""One running product for all tests of this folder; they stay on one xdist worker."""

from collections.abc import Iterator

import pytest

from tests.product.installation import Installation


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/product/" in item.nodeid:
            item.add_marker(pytest.mark.xdist_group("product"))


@pytest.fixture(scope="session")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """The product as `./run` starts it, with the demo's people and the app `shop` of a user."""
    installation = Installation(tmp_path_factory.mktemp("product"))
    installation.start()
    yield installation
    installation.stop()
