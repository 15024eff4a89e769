"""M1, M5: the cap holds whatever becomes of an answer, in every dialect, in 100,000 schedules.

The answers are the simulator's own bytes, cut, spoiled and counted wrongly. The bill that the cap
is held against is what the server has generated: all of the answer, however little of it arrived.
"""

import re
from array import array
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from random import Random

import msgspec
import pytest

from llm_latency_lens.cost.bound import worst_case
from llm_latency_lens.cost.budget import Budget, Purse
from llm_latency_lens.cost.price import Price, Rates
from llm_latency_lens.interpret.interpret import Subject, interpret
from llm_latency_lens.model.record import Record
from llm_latency_lens.model.recording import Attempt, Ending, EndKind, Head, Marks, Recording
from llm_latency_lens.model.request import Message, Request
from llm_latency_lens.runner.treasury import Treasury
from llm_latency_lens.simulator.answer import AS_IT_SHOULD, Answer, Making
from llm_latency_lens.simulator.asked import Asked
from llm_latency_lens.simulator.fault import parse_fault
from llm_latency_lens.simulator.faulty import making_of
from llm_latency_lens.simulator.framing import CloseDelimited
from llm_latency_lens.simulator.told import Told
from llm_latency_lens.simulator.voice import VOICES

ROUNDS = 25_000
TOKENS = 40
PROMPT_TOKENS = 60
PROMPT = "word " * PROMPT_TOKENS
PRICE = Price(
    rates=Rates(input=Decimal(2), cached=Decimal(1), cache_write=Decimal(3), output=Decimal(8)),
    source="test",
)
RESERVED = worst_case(Request(messages=(Message("user", PROMPT),), max_tokens=TOKENS), PRICE)
BILL = (PROMPT_TOKENS * Decimal(2) + TOKENS * Decimal(8)) / 1_000_000
"""What the server charges for its answer, whether or not it arrives."""
DIALECTS = tuple(name for name in VOICES if name != "embeddings")
FAULTS = ("empty", "no-end", "error-in-stream:5", "ping-flood:3", "bad-crc:2")
BROKEN = (
    *(EndKind.TRUNCATED, EndKind.RESET, EndKind.IDLE_TIMEOUT, EndKind.TOTAL_TIMEOUT),
    *(EndKind.CANCELLED, EndKind.CLOSED, EndKind.COMPLETE, EndKind.BAD_HTTP),
)
WRONG_COUNTS = (b"null", b"0", b"1", b"-50", b'"40"', b"[]", b"1e400", b"true")
COUNT = re.compile(
    rb'("(?:prompt_tokens|completion_tokens|input_tokens|output_tokens|promptTokenCount|'
    rb'candidatesTokenCount|prompt_eval_count|eval_count)":)\d+'
)
MUTE = {"empty", "error-in-stream:5"}
"""Faults of servers that generate less than the whole answer: their bill is not above it."""


class Exchange(msgspec.Struct, frozen=True):
    """A record, and what the server charges for it at most."""

    record: Record
    bill: Decimal


def _answer(dialect: str, making: Making = AS_IT_SHOULD) -> bytes:
    """The body of a whole stream."""
    asked = Asked(model="sim", stream=True, limit=TOKENS, prompt_tokens=PROMPT_TOKENS)
    told = Told(id="r1", asked=asked, output_tokens=TOKENS)
    making = msgspec.structs.replace(making, framing=CloseDelimited)
    answer = Answer(VOICES[dialect], told, making, keep_alive=False)
    pieces = (answer.token(index) for index in range(answer.output_tokens))
    whole = b"".join((answer.opening(0), *pieces, answer.closing(0)))
    return whole.partition(b"\r\n\r\n")[2]


def _record(dialect: str, body: bytes, ending: EndKind, status: int = 200) -> Record:
    """What is made of a body that ended so."""
    head = Head(status, (("content-type", VOICES[dialect].STREAM_TYPE),))
    recording = Recording(
        marks=Marks(sent=1, ended=9),
        ending=Ending(ending),
        head=head,
        body=body,
        reads=array("q", (len(body), 5, 5, 5)).tobytes() if body else b"",
    )
    attempt = Attempt(
        number=0,
        phase="measure",
        worker=0,
        intended=1,
        dequeued=1,
        recording=recording,
        reserved=RESERVED,
        prompt_characters=len(PROMPT),
    )
    return interpret(attempt, Subject(target="m", dialect=dialect, price=PRICE))


def _broken(dialect: str) -> Iterator[Exchange]:
    """Every way in which an answer can break that generates all of its tokens."""
    whole = _answer(dialect)
    for number, end in enumerate(range(0, len(whole), max(len(whole) // 60, 1))):
        ending = BROKEN[number % len(BROKEN)]
        yield Exchange(_record(dialect, whole[:end], ending), BILL)
    for text in FAULTS:
        body = _answer(dialect, making_of((parse_fault(text),)))
        for ending in (EndKind.COMPLETE, EndKind.CLOSED):
            yield Exchange(_record(dialect, body, ending), BILL)
    for match in COUNT.finditer(whole):
        for wrong in WRONG_COUNTS:
            body = whole[: match.end(1)] + wrong + whole[match.end() :]
            yield Exchange(_record(dialect, body, EndKind.COMPLETE), BILL)
    html = b"<!doctype html><title>Welcome</title>"
    yield Exchange(_record(dialect, html, EndKind.COMPLETE), BILL)
    yield Exchange(_record(dialect, html, EndKind.COMPLETE, 504), BILL)
    yield Exchange(_record(dialect, html, EndKind.COMPLETE, 429), Decimal(0))


@cache
def _pool() -> tuple[Exchange, ...]:
    whole = tuple(
        Exchange(_record(dialect, _answer(dialect), EndKind.COMPLETE), BILL) for dialect in DIALECTS
    )
    broken = tuple(exchange for dialect in DIALECTS for exchange in _broken(dialect))
    return whole * 20 + broken


def _settled(record: Record) -> Decimal:
    """What the cap is charged for one attempt."""
    treasury = Treasury(Budget(Decimal(1), 1), lambda *_: None)
    treasury.asked(0, RESERVED, Decimal(0))
    treasury.settle(0, RESERVED, record)
    return treasury.budget.spent


@pytest.mark.parametrize("dialect", DIALECTS)
def test_m5_no_way_of_breaking_is_cheaper_than_the_bill(dialect: str) -> None:
    """M5: cut at 60 places, spoiled, counted wrongly: the cap is charged the bill at least."""
    for exchange in _broken(dialect):
        charged = _settled(exchange.record)
        assert charged >= exchange.bill, (exchange.record.outcome, exchange.record.tokens)
        assert charged <= RESERVED


@pytest.mark.parametrize("dialect", DIALECTS)
def test_m5_a_whole_answer_costs_what_its_counts_say(dialect: str) -> None:
    """M5: caution costs nothing where the final counts came."""
    record = _record(dialect, _answer(dialect), EndKind.COMPLETE)
    assert record.tokens.final
    assert _settled(record) == BILL
    assert record.cost is not None
    assert not record.cost.estimated


def test_m5_the_first_count_of_a_stream_is_no_final_count() -> None:
    """M5: Anthropic's message_start counts one output token; the rest is estimated, and says so."""
    whole = _answer("anthropic")
    record = _record("anthropic", whole[: whole.index(b'"message_delta"')], EndKind.TRUNCATED)
    assert record.tokens.output == 1
    assert not record.tokens.final
    assert record.cost is not None
    assert record.cost.estimated
    assert record.cost.output >= 20 * Decimal(8) / 1_000_000
    assert _settled(record) == RESERVED


class Life:
    """One random run under a cap: workers send, receive anything, and die."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        workers = self.random.randint(1, 3)
        self.cap = RESERVED * self.random.randint(1, 12) * Decimal("1.1")
        self.bill = Decimal(0)
        self.answers: dict[int, Decimal | None] = {}
        budget = Budget(self.cap, workers, careful=self.random.random() < 0.5)
        self.treasury = Treasury(budget, self.answers.__setitem__)
        self.purses = [Purse() for _ in range(workers)]
        self.in_flight = [0] * workers
        self.left = [self.random.randint(1, 8) for _ in range(workers)]
        self.asking: set[int] = set()

    def live(self) -> None:
        """Go on until nobody can do anything; the bill is never above the cap."""
        pool = _pool()
        for _ in range(400):
            self._take_answers()
            able = [w for w in range(len(self.left)) if self.in_flight[w] or self._can_send(w)]
            if not able:
                break
            worker = self.random.choice(able)
            chance = self.random.random()
            if chance < 0.02:
                self._die(worker)
            elif self.in_flight[worker] and (chance < 0.5 or not self._can_send(worker)):
                self._receive(worker, self.random.choice(pool))
            else:
                self._send(worker)
            unbilled = sum(self.in_flight) * RESERVED
            assert self.bill + unbilled <= self.cap
        assert not any(self.in_flight)
        assert not self.asking

    def _can_send(self, worker: int) -> bool:
        return self.left[worker] > 0 and worker not in self.asking

    def _take_answers(self) -> None:
        for worker, amount in list(self.answers.items()):
            del self.answers[worker]
            self.asking.discard(worker)
            if amount is None:
                self.left[worker] = 0
                self._drain(worker)
            else:
                self.purses[worker].credit += amount

    def _send(self, worker: int) -> None:
        if self.purses[worker].take(RESERVED):
            self.left[worker] -= 1
            self.in_flight[worker] += 1
            return
        self.asking.add(worker)
        self.treasury.asked(worker, RESERVED, self.purses[worker].empty())

    def _receive(self, worker: int, exchange: Exchange) -> None:
        self.in_flight[worker] -= 1
        self.bill += exchange.bill
        self.treasury.settle(worker, RESERVED, exchange.record)
        self._drain(worker)

    def _drain(self, worker: int) -> None:
        if not self.in_flight[worker] and not self.left[worker]:
            self.purses[worker].empty()
            self.treasury.release(worker)

    def _die(self, worker: int) -> None:
        """What it had in flight is billed, and nobody hears of it."""
        self.bill += self.in_flight[worker] * BILL
        self.in_flight[worker] = self.left[worker] = 0
        self.asking.discard(worker)
        self.answers.pop(worker, None)
        self.purses[worker].empty()
        self.treasury.lose(worker)


@pytest.mark.parametrize("part", range(4))
def test_m1_the_bill_never_exceeds_the_cap(part: int) -> None:
    """M1: 4 x 25,000 seeded schedules of every dialect's broken answers, and of workers' deaths."""
    for seed in range(part * ROUNDS, (part + 1) * ROUNDS):
        Life(seed).live()
