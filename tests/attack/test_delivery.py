"""Real intermediaries in front of a ledgered server: TTFT is right, or said to be not valid."""

import os

import pytest
from tests.attack.delivery import FRAMINGS, row_of
from tests.support.intermediary import INTERMEDIARIES

pytestmark = pytest.mark.skipif(
    not os.environ.get("LLL_ATTACK"), reason="needs nginx, HAProxy and mitmproxy; run: make attack"
)


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("name", INTERMEDIARIES)
def test_ttft_is_right_or_not_valid(name: str, framing: str) -> None:
    """Against the ledger's own TTFT; and what is right is not accused."""
    row = row_of(name, framing)
    assert row.holds, row
