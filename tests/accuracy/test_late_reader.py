"""The accuracy bars of `tests/attack`, a run each: a client beside a busy process reads late."""

import os

import pytest
from tests.attack.accuracy import CASES, row_of
from tests.support.repetition import SLOW

from llm_latency_lens.transport.packets import packets_permitted

MS = 0.001

pytestmark = pytest.mark.skipif(
    len(os.sched_getaffinity(0)) < 2 and not os.environ.get("LLL_REQUIRE_REAL"),
    reason="needs two processors: one for the server, one for the client",
)


def test_beside_a_busy_process_every_value_is_within_its_printed_error_or_not_valid() -> None:
    """p50, p95 and p99 of TTFT, TPOT and e2e, against the ledger of an independent server."""
    wrong = [value for value in row_of(CASES["busy"]).values.values() if not value.honest]
    assert not wrong


@pytest.mark.skipif(
    not packets_permitted() and not os.environ.get("LLL_REQUIRE_REAL"),
    reason="packet sockets need Linux and CAP_NET_RAW",
)
@pytest.mark.parametrize("case", ["packets, busy", pytest.param("packets, busy, TLS", marks=SLOW)])
def test_with_packet_stamps_a_late_reader_is_exact(case: str) -> None:
    """p50 and p95 within 0.1 ms of the ledger, in plain text and over TLS."""
    row = row_of(CASES[case])
    values = [value for name, value in row.values.items() if not name.endswith("p99")]
    assert len(values) == 6
    assert all(value.ours is not None and value.off < 0.1 * MS for value in values), values
