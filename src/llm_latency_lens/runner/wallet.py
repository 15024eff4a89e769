"""A worker's money: a send reserves the worst that it can cost, and waits only where there is no credit."""

import asyncio
from collections.abc import Callable
from decimal import Decimal

from llm_latency_lens.cost.budget import Purse

Ask = Callable[[Decimal, Decimal], None]
"""Tells the parent how much is wanted, and how much credit is given back."""


class Wallet:
    """`reserve` before each send; `grant` and `close` are the parent's answers to `ask`."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._purse = Purse()
        self._one_asks = asyncio.Lock()
        self._answer: asyncio.Future[Decimal | None] | None = None
        self._broke = False

    async def reserve(self, worst: Decimal) -> bool:
        """Reserve `worst`; False where the money is gone."""
        async with self._one_asks:
            while self._broke or not self._purse.take(worst):
                if self._broke:
                    return False
                self._answer = asyncio.get_running_loop().create_future()
                self._ask(worst, self._purse.empty())
                granted = await self._answer
                if granted is None:
                    return False
                self._purse.credit += granted
        return True

    def grant(self, amount: Decimal) -> None:
        """The parent gave credit."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(amount)
        else:
            self._purse.credit += amount

    def reset(self) -> None:
        """A phase is over: what is left is the parent's again."""
        self._purse.empty()

    def close(self) -> None:
        """The money is gone."""
        self._broke = True
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(None)
