"""What a pickle is carried in."""

from __future__ import annotations

import pytest

from tests.checkpoint.weight_files import CARRIERS, Carrier


@pytest.fixture(params=CARRIERS.values(), ids=CARRIERS.keys())
def carrier(request: pytest.FixtureRequest) -> Carrier:
    return request.param
