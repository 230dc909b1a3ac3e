import pytest

import insarflow


@pytest.fixture(scope="session")
def region():
    """A small simulated region with its truth."""
    return insarflow.simulate_stack((160, 192), seed=11, acquisitions=4, movers=5)
