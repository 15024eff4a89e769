"""M1: the cap holds in 20,000 random schedules of sends, answers, deaths and grants, and each ends.

M4: where servers don't keep to the limit, the excess is told, and nothing more is sent once it is gone.
"""

import random
from decimal import Decimal

import pytest

from llm_latency_lens.cost.budget import Answer, Budget, Purse

ROUNDS = 5_000


class Schedule:
    """One random life of a budget: workers that send and receive in any order, and may die."""

    def __init__(self, seed: int, *, obedient: bool = True) -> None:
        self.random = random.Random(seed)
        self.obedient = obedient
        workers = self.random.randint(1, 3)
        self.cap = Decimal(self.random.randint(1, 60))
        self.budget = Budget(self.cap, workers)
        self.purses = [Purse() for _ in range(workers)]
        self.under_way: list[list[Decimal]] = [[] for _ in range(workers)]
        self.left = [self.random.randint(0, 5) for _ in range(workers)]
        self.wanted: dict[int, Decimal] = {}
        self.broke: set[int] = set()
        self.late = 0

    def live(self) -> None:
        """Go on until nobody can do anything."""
        for _ in range(1000):
            able = [w for w in range(len(self.purses)) if self.under_way[w] or self.can_send(w)]
            if not able:
                break
            worker = self.random.choice(able)
            if self.under_way[worker] and (not self.can_send(worker) or self.random.random() < 0.5):
                self.receive(worker)
            elif self.random.random() < 0.02:
                self.die(worker)
            else:
                self.send(worker)
            self.check_cap()
            assert all(amount >= 0 for amount in self.budget.granted.values())
        else:
            raise AssertionError("it never ends")
        assert not any(self.under_way)
        # Nobody waits for money that never comes: all was sent, or there is too little for one more.
        waiting = [w for w, left in enumerate(self.left) if left and w not in self.broke]
        assert not waiting

    def check_cap(self) -> None:
        """What is spent and what may be: never above the cap, but for what nobody had allowed."""
        committed = self.budget.spent + sum(self.budget.granted.values())
        assert committed - self.budget.overrun <= self.cap
        if self.budget.free < 0:
            assert self.budget.overrun > 0
        assert not (self.obedient and self.budget.overrun)

    def can_send(self, worker: int) -> bool:
        """Whether the worker has a request left and may still hope."""
        waits = worker in self.wanted and not self.may_ask(worker)
        return self.left[worker] > 0 and worker not in self.broke and not waits

    def may_ask(self, worker: int) -> bool:
        """Whether asking again could end otherwise than in waiting."""
        others = any(amount for w, amount in self.budget.granted.items() if w != worker)
        return self.budget.free >= self.wanted[worker] or not (others or self.under_way[worker])

    def send(self, worker: int) -> None:
        """One more request, if there is the money."""
        worst = self.wanted.pop(worker, None) or Decimal(self.random.randint(1, 20))
        purse = self.purses[worker]
        if not purse.take(worst):
            answer = self.budget.ask(worker, worst, purse.empty())
            assert self.budget.free >= 0 or isinstance(answer, Answer)
            if answer is Answer.BROKE:
                self.broke.add(worker)
                return
            if answer is Answer.WAIT:
                self.wanted[worker] = worst
                return
            assert isinstance(answer, Decimal)
            purse.credit += answer
            assert purse.take(worst)
        self.left[worker] -= 1
        self.under_way[worker].append(worst)

    def receive(self, worker: int) -> None:
        """One answer: at most as dear as was reserved, or up to three times that."""
        reserved = self.under_way[worker].pop()
        most = 4 if self.obedient else 12
        self.budget.settle(worker, reserved, reserved * self.random.randint(0, most) / 4)
        if not self.under_way[worker] and not self.left[worker]:
            self.purses[worker].empty()
            self.budget.release(worker)

    def die(self, worker: int) -> None:
        """All that it had is lost, and counts as spent; what it had said before may come late."""
        self.budget.lose(worker)
        if self.under_way[worker] and self.random.random() < 0.5:
            self.late += 1
            self.budget.settle(worker, self.under_way[worker][0], Decimal(0))
        self.under_way[worker].clear()
        self.purses[worker].empty()
        self.left[worker] = 0


@pytest.mark.parametrize("part", range(4))
def test_m1_spent_and_granted_never_exceed_the_cap(part: int) -> None:
    """M1: 4 x 5,000 seeded schedules."""
    for seed in range(part * ROUNDS, (part + 1) * ROUNDS):
        Schedule(seed).live()


def test_m4_servers_that_overrun_end_the_sending_and_nothing_hangs() -> None:
    """M4: 10,000 schedules in which an answer may cost three times its worst case."""
    overrun = 0
    for seed in range(10_000):
        schedule = Schedule(seed, obedient=False)
        schedule.live()
        overrun += schedule.budget.overrun > 0
    assert overrun > 1000


def test_m1_a_late_word_of_a_lost_worker_frees_no_money() -> None:
    """M1: its reservation counts as spent already; nobody is told to wait for it."""
    budget = Budget(Decimal(2), 2)
    assert isinstance(budget.ask(0, Decimal(1), Decimal(0)), Decimal)
    budget.lose(0)
    budget.settle(0, Decimal(1), Decimal(0))
    assert budget.granted[0] == 0
    assert budget.spent == budget.free == 1
    assert budget.ask(1, Decimal(2), Decimal(0)) is Answer.BROKE


def test_m1_the_money_is_used_up() -> None:
    """A cap for ten requests pays ten, whoever asks: caution costs nothing in the end."""
    budget, purses = Budget(Decimal(10), 2), [Purse(), Purse()]
    sent = 0
    for turn in range(40):
        worker, purse = turn % 2, purses[turn % 2]
        if not purse.take(Decimal(1)):
            answer = budget.ask(worker, Decimal(1), purse.empty())
            if not isinstance(answer, Decimal):
                continue
            purse.credit += answer
            assert purse.take(Decimal(1))
        sent += 1
        budget.settle(worker, Decimal(1), Decimal(1))
    assert sent == 10
    assert budget.spent == 10


def test_m4_after_an_overrun_requests_reserve_as_much() -> None:
    """M4: one answer cost three times its reservation: then each is taken to cost so much."""
    budget = Budget(Decimal(10), 1)
    assert isinstance(budget.ask(0, Decimal(1), Decimal(0)), Decimal)
    budget.release(0)
    budget.settle(0, Decimal(1), Decimal(3))
    assert budget.factor == 3
    assert budget.free == 7
    assert budget.ask(0, Decimal("2.5"), Decimal(0)) is Answer.BROKE
    assert isinstance(budget.ask(0, Decimal(2), Decimal(0)), Decimal)
    assert budget.free == 1
    budget.lose(0)
    assert budget.spent == 9


def test_m4_a_careful_budget_lets_one_request_out_first() -> None:
    """M4: two workers ask; the second waits until the first answer has said what it cost."""
    budget = Budget(Decimal(10), 2, careful=True)
    assert budget.ask(0, Decimal(1), Decimal(0)) == 1
    assert budget.ask(1, Decimal(1), Decimal(0)) is Answer.WAIT
    assert budget.ask(0, Decimal(1), Decimal(0)) is Answer.WAIT
    budget.settle(0, Decimal(1), Decimal("0.5"))
    assert isinstance(budget.ask(1, Decimal(1), Decimal(0)), Decimal)


def test_m4_an_overrun_is_told_and_ends_the_sending() -> None:
    """M4: a server that generates more than it may costs more than was reserved; nothing more is granted."""
    budget = Budget(Decimal(2), 1)
    granted = budget.ask(0, Decimal(1), Decimal(0))
    assert isinstance(granted, Decimal)
    budget.settle(0, Decimal(1), Decimal(5))
    assert budget.overrun == 4
    budget.release(0)
    assert budget.ask(0, Decimal(1), Decimal(0)) is Answer.BROKE
