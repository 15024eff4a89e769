"""The simulator is the oracle: its schedule is exact, its ledger has every byte, its seeds reproduce."""

import itertools
import os
import re
import signal
import socket
import sys

import pytest
from tests.support.command import eventually
from tests.support.raw_http import Response, ask, chat, dial, receive

from llm_latency_lens.clock import SystemClock
from llm_latency_lens.errors import MachineError
from llm_latency_lens.simulator.batching import parse_batching
from llm_latency_lens.simulator.latency import parse_latency
from llm_latency_lens.simulator.ledger import Entry, Ledger, read_ledger
from llm_latency_lens.simulator.process import SimulatorProcess
from llm_latency_lens.simulator.spec import SimulatorSpec

MS = 1_000_000
QUICK = SimulatorSpec(ttft=parse_latency("5ms"), itl=parse_latency("1ms"), tokens=5)
RANDOM = SimulatorSpec(
    ttft=parse_latency("lognormal:5ms,0.5"),
    itl=parse_latency("gamma:1ms,2"),
    tokens=2,
    tokens_max=9,
    seed=7,
)
linux = pytest.mark.skipif(sys.platform != "linux", reason="kernel stamps and /proc are Linux's")


def serve(spec: SimulatorSpec, *requests: bytes) -> tuple[list[Response], Ledger]:
    """The answers to `requests`, one after the other on one connection, and the ledger."""
    with SimulatorProcess(spec) as simulator:
        with dial(simulator.address) as sock:
            responses = [ask(sock, request) for request in requests]
        return responses, simulator.stop()


def relative(entry: Entry) -> list[int]:
    """When the writes were due, counted from the request's arrival."""
    return [due - entry.received for due in entry.due]


def test_no_write_leaves_before_it_is_due() -> None:
    """Every write of 20 random answers is stamped at or after its instant, and the lag is what is left."""
    _, ledger = serve(RANDOM, *[chat()] * 20)
    assert len(ledger.entries) == 20
    for entry in ledger.entries:
        assert entry.ended == "complete"
        assert entry.due == sorted(entry.due)
        assert all(sent >= due for sent, due in zip(entry.sent, entry.due, strict=True))
        lags = [sent - due for sent, due in zip(entry.sent, entry.due, strict=True)]
        assert entry.lag_max == max(lags)
        assert entry.lag_mean == pytest.approx(sum(lags) / len(lags))
        assert entry.kinds == ["role", *["token"] * entry.output_tokens, "finish"]


def test_the_client_never_has_a_byte_before_its_write() -> None:
    """The first token's arrival here lies behind its write there, on the clock that both share."""
    clock = SystemClock()
    with SimulatorProcess(QUICK) as simulator, dial(simulator.address) as sock:
        sent = clock.now()
        sock.sendall(chat())
        first = sock.recv(65536)
        arrived = clock.now()
        receive(sock, first)
        entry = simulator.stop().entries[0]
    assert (
        sent < entry.received + 50_000
    )  # the wall clock maps to the monotonic within microseconds
    assert entry.due[0] == entry.received + 5 * MS
    assert entry.sent[0] < arrived


def test_constant_latencies_give_the_exact_schedule() -> None:
    """TTFT 5 ms, then 1 ms each: role with the first token, the closing with the last."""
    _, ledger = serve(QUICK, chat())
    assert relative(ledger.entries[0]) == [5 * MS, *(n * MS for n in (5, 6, 7, 8, 9)), 9 * MS]


def test_role_early_sends_the_role_at_once() -> None:
    """With role_early the opening is due on arrival, the tokens as before."""
    spec = SimulatorSpec(ttft=QUICK.ttft, itl=QUICK.itl, tokens=2, role_early=True)
    _, ledger = serve(spec, chat())
    assert relative(ledger.entries[0]) == [0, 5 * MS, 6 * MS, 6 * MS]


def test_a_seed_gives_the_same_schedule_and_bytes_again() -> None:
    """Two servers of one seed agree on every instant and byte; another seed differs.

    The header with the time that an answer took is a measurement, and no part of the schedule.
    """
    first, second = (serve(RANDOM, *[chat()] * 6) for _ in range(2))
    other = serve(SimulatorSpec(ttft=RANDOM.ttft, itl=RANDOM.itl, tokens=5, seed=8), chat())[1]
    schedules = [[relative(e) for e in ledger.entries] for _, ledger in (first, second)]
    assert schedules[0] == schedules[1]
    took = re.compile(rb"openai-processing-ms: [0-9]+")
    assert [took.sub(b"", r.raw) for r in first[0]] == [took.sub(b"", r.raw) for r in second[0]]
    assert len({entry.output_tokens for entry in first[1].entries}) > 1
    assert relative(other.entries[0])[0] != schedules[0][0][0]


@pytest.mark.parametrize("spec", [QUICK, RANDOM])
def test_ledger_sizes_add_up_to_the_bytes_received(spec: SimulatorSpec) -> None:
    """Streamed or not, with usage or not: not one byte more or less than the ledger has."""
    usage = chat(stream_options={"include_usage": True})
    responses, ledger = serve(spec, chat(), usage, chat(stream=False), chat(max_tokens=3))
    sizes = [sum(entry.sizes) for entry in ledger.entries]
    assert [len(response.raw) for response in responses] == sizes
    assert [entry.kinds[0] for entry in ledger.entries] == ["role", "role", "document", "role"]


def test_an_unstreamed_answer_comes_when_its_last_token_is_due() -> None:
    """One document of all tokens, at TTFT + 4 ITL."""
    (response,), ledger = serve(QUICK, chat(stream=False))
    assert relative(ledger.entries[0]) == [9 * MS]
    assert response.json()["usage"]["completion_tokens"] == 5
    assert len(response.json()["choices"][0]["message"]["content"].split()) == 5


@linux
async def test_a_late_server_is_not_charged_to_the_client() -> None:
    """A server stopped for 60 ms still dates the request at its arrival, keeps its schedule, owns the lag."""
    clock = SystemClock()
    with SimulatorProcess(QUICK) as simulator, dial(simulator.address) as sock:
        ask(sock, chat())
        pid = simulator.pid
        os.kill(pid, signal.SIGSTOP)
        try:
            eventually(lambda: _state(pid) == "T")
            sent = clock.now()
            sock.sendall(chat())
            await clock.sleep_until(type(sent)(sent + 60 * MS))
        finally:
            os.kill(pid, signal.SIGCONT)
        receive(sock)
        entry = simulator.stop().entries[1]
    clock.close()
    assert entry.received_by == "kernel"
    assert -50_000 < entry.received - sent < 20 * MS
    assert entry.read - sent >= 59 * MS
    assert entry.due[0] == entry.received + 5 * MS
    assert entry.lag_max >= 30 * MS


def _state(pid: int) -> str:
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:  # noqa: PTH123 - one line of /proc
        return file.read().rsplit(")", 1)[1].split()[0]


@linux
def test_accepted_connections_inherit_kernel_stamps() -> None:
    """Set on the listener once; every request of every connection is dated by the kernel."""
    with SimulatorProcess(QUICK) as simulator:
        for _ in range(3):
            with dial(simulator.address) as sock:
                ask(sock, chat())
                ask(sock, chat())
        ledger = simulator.stop()
    assert [entry.received_by for entry in ledger.entries] == ["kernel"] * 6
    assert all(0 <= entry.read - entry.received < 1000 * MS for entry in ledger.entries)
    assert [entry.connection for entry in ledger.entries] == [1, 1, 2, 2, 3, 3]


def test_a_request_in_pieces_arrives_with_its_last_piece() -> None:
    """Half a request does not start the answer's clock."""
    clock = SystemClock()
    data = chat()
    with SimulatorProcess(QUICK) as simulator, dial(simulator.address) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(data[:60])
        ask(other := dial(simulator.address), chat())  # by now the first piece has been read
        other.close()
        last = clock.now()
        assert receive_after(sock, data[60:]).status == 200
        entries = simulator.stop().by_response_id()
    assert entries["sim-1"].received > last - 50_000


def receive_after(sock: socket.socket, data: bytes) -> Response:
    """Send the rest and receive."""
    sock.sendall(data)
    return receive(sock)


def test_a_client_that_leaves_ends_its_entry_and_gets_no_more_writes() -> None:
    """Closed in mid-answer: client_closed, and no write is claimed for the tokens that never left."""
    spec = SimulatorSpec(ttft=parse_latency("1ms"), itl=parse_latency("20ms"), tokens=40)
    with SimulatorProcess(spec) as simulator:
        with dial(simulator.address) as sock:
            sock.sendall(chat())
            sock.recv(65536)
        path = simulator.ledger_path
        eventually(lambda: len(read_ledger(path).entries) == 1)
        with dial(simulator.address) as sock:
            ask(sock, chat(max_tokens=8))  # 140 ms in which a phantom write would have been due
        gone, whole = simulator.stop().entries
    assert (gone.ended, whole.ended) == ("client_closed", "complete")
    assert 1 <= len(gone.sent) < 40
    assert "finish" not in gone.kinds
    assert len(gone.sent) == len(gone.due) == len(gone.sizes) == len(gone.kinds)


def test_a_stopped_server_says_so() -> None:
    """An answer under way when the server ends is server_stopped, not the client's doing."""
    spec = SimulatorSpec(ttft=parse_latency("1ms"), itl=parse_latency("10s"), tokens=2)
    with SimulatorProcess(spec) as simulator, dial(simulator.address) as sock:
        sock.sendall(chat())
        sock.recv(65536)
        (entry,) = simulator.stop().entries
    assert entry.ended == "server_stopped"


def test_a_slow_reader_gets_every_byte_in_order_and_the_ledger_notes_it() -> None:
    """With the socket full, writes queue: noted with the instant they left, and never lost or mixed."""
    spec = SimulatorSpec(ttft=parse_latency("0ms"), itl=parse_latency("0ms"), tokens=40_000)
    with SimulatorProcess(spec) as simulator:
        with dial(simulator.address, receive_buffer=4096) as sock, dial(simulator.address) as quick:
            sock.sendall(chat())
            # Answers on another connection come through while the first can't leave; nothing of
            # that one is read until the server has had the time to fill its socket.
            assert {ask(quick, chat(max_tokens=1)).status for _ in range(300)} == {200}
            slow = receive(sock)
        ledger = simulator.stop()
    entry = ledger.by_response_id()["sim-0"]
    assert entry.ended == "complete"
    assert len(slow.raw) == sum(entry.sizes)
    assert len(slow.events()) == 40_000 + 2
    assert entry.queued
    assert all(left >= entry.sent[index] for index, left in entry.queued.items())
    assert entry.tokens_sent() == sorted(entry.tokens_sent())


def test_the_first_request_after_idleness_is_cold() -> None:
    """Cold at the start, warm right after; the penalty is on the first token alone."""
    spec = SimulatorSpec(
        ttft=QUICK.ttft, itl=QUICK.itl, tokens=2, cold_after=150 * MS, cold_penalty=40 * MS
    )
    with SimulatorProcess(spec) as simulator, dial(simulator.address) as sock:
        for _ in range(3):
            ask(sock, chat())
        pause = simulator.ledger_path
        eventually(lambda: len(read_ledger(pause).entries) == 3)
        last = read_ledger(pause).entries[-1].sent[-1]
        clock = SystemClock()
        eventually(lambda: clock.now() - last > 200 * MS)
        ask(sock, chat())
        entries = simulator.stop().entries
    assert [entry.cold for entry in entries] == [True, False, False, True]
    assert [relative(entry)[1:3] for entry in entries] == [
        [45 * MS, 46 * MS],
        [5 * MS, 6 * MS],
        [5 * MS, 6 * MS],
        [45 * MS, 46 * MS],
    ]


def test_batching_is_served_as_the_engine_computes_it() -> None:
    """Alone: 3 words prefill 3 ms, a step is 2 ms; cold adds its penalty; unstreamed comes at the end."""
    model = parse_batching("prefill=1000tok/s,step=1ms+1ms*batch,slots=1")
    spec = SimulatorSpec(batching=model, tokens=3, cold_after=10**12, cold_penalty=30 * MS)
    _, ledger = serve(spec, chat(), chat(), chat(stream=False))
    assert [relative(entry) for entry in ledger.entries] == [
        [n * MS for n in (35, 35, 37, 39, 39)],
        [n * MS for n in (5, 5, 7, 9, 9)],
        [9 * MS],
    ]
    assert all(s >= d for e in ledger.entries for s, d in zip(e.sent, e.due, strict=True))


def test_a_full_batch_makes_the_next_one_wait() -> None:
    """One slot, five requests at once: each waits for those before it, a step of the engine apart."""
    model = parse_batching("prefill=1000tok/s,step=1ms+1ms*batch,slots=1")
    spec = SimulatorSpec(batching=model, tokens=3)
    with SimulatorProcess(spec) as simulator:
        socks = [dial(simulator.address) for _ in range(5)]
        for sock in socks:
            sock.sendall(chat())
        assert [receive(sock).status for sock in socks] == [200] * 5
        for sock in socks:
            sock.close()
        entries = simulator.stop().entries
    firsts = sorted(entry.due[0] for entry in entries)
    assert [b - a for a, b in itertools.pairwise(firsts)] == [9 * MS] * 4


def test_a_taken_port_is_one_line_and_leaves_nothing() -> None:
    """The child's own words reach the parent."""
    with SimulatorProcess(QUICK) as simulator:
        port = int(simulator.address.rpartition(":")[2])
        with pytest.raises(MachineError, match=f"can't listen on 127.0.0.1:{port}.*--port"):
            SimulatorProcess(SimulatorSpec(port=port)).__enter__()


def test_a_killed_simulator_gives_no_ledger_as_if_whole() -> None:
    """Kill -9: stop() refuses, and what had been flushed can still be read."""
    with SimulatorProcess(QUICK) as simulator:
        with dial(simulator.address) as sock:
            ask(sock, chat())
        path = simulator.ledger_path
        eventually(lambda: len(read_ledger(path).entries) == 1)
        os.kill(simulator.pid, signal.SIGKILL)
        with pytest.raises(MachineError, match="not whole"):
            simulator.stop()
        assert read_ledger(path).entries[0].ended == "complete"
