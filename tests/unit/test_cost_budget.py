"""M1: the cap holds in 100,000 random schedules of sends, answers, deaths and grants; every one ends."""

import random
from decimal import Decimal

import pytest

from llm_latency_lens.cost.budget import Answer, Budget, Purse

ROUNDS = 25_000


class Schedule:
    """One random life of a budget: workers that send and receive in any order, and may die."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        workers = self.random.randint(1, 3)
        self.cap = Decimal(self.random.randint(1, 60))
        self.budget = Budget(self.cap, workers)
        self.purses = [Purse() for _ in range(workers)]
        self.under_way: list[list[Decimal]] = [[] for _ in range(workers)]
        self.left = [self.random.randint(0, 5) for _ in range(workers)]
        self.wanted: dict[int, Decimal] = {}
        self.broke: set[int] = set()

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
            assert self.budget.spent + sum(self.budget.granted.values()) <= self.cap
            assert all(amount >= 0 for amount in self.budget.granted.values())
        else:
            raise AssertionError("it never ends")
        assert not any(self.under_way)

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
        """One answer: at most as dear as was reserved."""
        reserved = self.under_way[worker].pop()
        self.budget.settle(worker, reserved, reserved * self.random.randint(0, 4) / 4)
        if not self.under_way[worker] and not self.left[worker]:
            self.purses[worker].empty()
            self.budget.release(worker)

    def die(self, worker: int) -> None:
        """All that it had is lost, and counts as spent."""
        self.budget.lose(worker)
        self.under_way[worker].clear()
        self.purses[worker].empty()
        self.left[worker] = 0


@pytest.mark.parametrize("part", range(4))
def test_m1_spent_and_granted_never_exceed_the_cap(part: int) -> None:
    """M1: 4 x 25,000 seeded schedules."""
    for seed in range(part * ROUNDS, (part + 1) * ROUNDS):
        Schedule(seed).live()


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


def test_m4_an_overrun_is_told_and_ends_the_sending() -> None:
    """M4: a server that generates more than it may costs more than was reserved; nothing more is granted."""
    budget = Budget(Decimal(2), 1)
    granted = budget.ask(0, Decimal(1), Decimal(0))
    assert isinstance(granted, Decimal)
    budget.settle(0, Decimal(1), Decimal(5))
    assert budget.overrun == 4
    budget.release(0)
    assert budget.ask(0, Decimal(1), Decimal(0)) is Answer.BROKE
