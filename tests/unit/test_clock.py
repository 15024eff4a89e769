"""Clocks: never early, in order; and time in a test's hand."""

import asyncio
from collections.abc import Callable

import pytest

from llm_latency_lens.clock import Alarm, ManualClock, SystemClock
from llm_latency_lens.runner.worker import loop_factory
from llm_latency_lens.units import MonoNs

LOOPS = [None, loop_factory()]


def in_loop(
    factory: Callable[[], asyncio.AbstractEventLoop] | None, work: Callable[[], object]
) -> object:
    """Run a coroutine function on asyncio's or uvloop's loop."""
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(work())  # type: ignore[arg-type] # a coroutine function


@pytest.mark.parametrize("factory", LOOPS)
def test_s11_sleep_until_is_never_early(
    factory: Callable[[], asyncio.AbstractEventLoop] | None,
) -> None:
    """S11: forty sleepers of up to 40 ms wake in order, none before its instant."""

    async def work() -> list[int]:
        clock = SystemClock()
        start = clock.now() + 1_000_000
        early: list[int] = []

        async def sleeper(instant: int) -> None:
            await clock.sleep_until(MonoNs(instant))
            early.append(clock.now() - instant)

        await asyncio.gather(*(sleeper(start + i * 1_000_000) for i in reversed(range(40))))
        clock.close()
        return early

    late = in_loop(factory, work)
    assert isinstance(late, list)
    assert len(late) == 40
    assert min(late) >= 0


@pytest.mark.parametrize("factory", LOOPS)
@pytest.mark.parametrize("timerfd", [True, False])
def test_alarms_ring_in_order_and_cancelled_ones_never(
    factory: Callable[[], asyncio.AbstractEventLoop] | None,
    timerfd: bool,  # noqa: FBT001 - a parameter of the table
) -> None:
    """Both ways of waiting: the kernel's timer, and the loop's with a spin."""

    async def work() -> list[int]:
        clock = SystemClock()
        loop = asyncio.get_running_loop()
        alarm = Alarm(loop, use_timerfd=timerfd)
        rung: list[int] = []
        done = loop.create_future()
        start = clock.now()
        for number in (3, 1, 4, 2, 0):
            alarm.at(start + number * 2_000_000, lambda number=number: rung.append(number))  # type: ignore[misc] # a default
        alarm.cancel(alarm.at(start + 5_000_000, lambda: rung.append(-1)))
        alarm.at(start + 12_000_000, lambda: done.set_result(None))
        await done
        alarm.close()
        return rung

    assert in_loop(factory, work) == [0, 1, 2, 3, 4]


async def test_an_alarm_for_the_past_rings_at_once() -> None:
    """Late is as soon as possible."""
    loop = asyncio.get_running_loop()
    alarm = Alarm(loop)
    done = loop.create_future()
    alarm.at(1, lambda: done.set_result("rung"))
    assert await done == "rung"
    alarm.close()


async def test_the_manual_clock_stands_still_until_told() -> None:
    """Sleepers wake in order of their instants, and only when time has come."""
    clock = ManualClock()
    woken: list[int] = []

    async def sleeper(instant: int) -> None:
        await clock.sleep_until(MonoNs(instant))
        woken.append(instant)

    tasks = [asyncio.create_task(sleeper(instant)) for instant in (30, 10, 20)]
    for _ in range(3):
        await clock.sleep_until(MonoNs(0))
        await asyncio.wait(tasks, timeout=0)
    clock.advance(15)
    await tasks[1]
    assert woken == [10]
    assert clock.advance_to_next()
    await tasks[2]
    assert (woken, clock.now()) == ([10, 20], 20)
    clock.advance(100)
    await asyncio.gather(*tasks)
    assert woken == [10, 20, 30]
    assert not clock.advance_to_next()


def test_c5_the_wall_clock_is_another_type() -> None:
    """C5: both are integers of ns, and the manual clock moves them together."""
    clock = ManualClock(start=5, wall=100)
    clock.advance(7)
    assert (clock.now(), clock.wall()) == (12, 107)
