"""What may be concluded of a load where some metrics are INVALID by the answers themselves."""

import msgspec
import pytest

from llm_latency_lens.capacity.explanation import Explanation
from llm_latency_lens.capacity.trust import blocking, distrusted, with_distrust
from llm_latency_lens.criteria.objective import parse_objectives
from llm_latency_lens.metrics.objective import Objective
from llm_latency_lens.metrics.objective_judge import View
from llm_latency_lens.model.result import Check, Verdict

TTFT, TPOT = parse_objectives("ttft.p95<200ms,tpot.p95<20ms")
BOTH = (TTFT, TPOT)


def check(name: str, *metrics: str, verdict: Verdict = "INVALID", group: str = "Q8") -> Check:
    """A check of the answers."""
    return Check(
        id=group,
        name=name,
        verdict=verdict,
        value=1.0,
        unit="ratio",
        words="something",
        remedy="do this",
        metrics=metrics,
    )


UNCOUNTED = check("token counts", "tpot")
WHOLE = check("buffered delivery", "ttft", "tpot")


def view(objective: Objective, *, failed: bool) -> View:
    """How an objective stands."""
    return View(
        objective=objective,
        requests=100,
        missed=0,
        missed_on_time=0,
        tau=1.0,
        value=0.1,
        highest=0.5,
        judgement="fail" if failed else "pass",
        without=0,
        uncounted=0,
    )


@pytest.mark.parametrize(
    ("found", "failed", "concluded"),
    [
        ((), (), "pass"),
        ((), BOTH, "fail"),
        # Events counted for tokens make TPOT too long: what is kept is kept, what fails may not.
        ((UNCOUNTED,), (), "pass"),
        ((UNCOUNTED,), (TPOT,), "undecided"),
        # TTFT is counted by nobody: where it fails, the load fails.
        ((UNCOUNTED,), (TTFT,), "fail"),
        ((UNCOUNTED,), BOTH, "fail"),
        ((WHOLE,), (), "undecided"),
        ((WHOLE,), (TTFT,), "undecided"),
        ((check("warned of", "ttft", verdict="WARN"),), (), "pass"),
        # What a load does to a metric is what is searched for.
        ((check("backlog", "ttft", group="Q11"),), (TTFT,), "fail"),
    ],
)
def test_a_conclusion_rests_on_no_invalid_metric(
    found: tuple[Check, ...], failed: tuple[Objective, ...], concluded: str
) -> None:
    """Each objective is judged by itself, and a failure of a sound one stands."""
    explanation = Explanation("fail" if failed else "pass", "", "seen")
    views = [view(objective, failed=objective in failed) for objective in BOTH]
    said = with_distrust(explanation, views, distrusted(found, BOTH))
    assert said.judgement == concluded
    if concluded == "undecided":
        assert said.reason == "untrusted"
        assert "is not to be used: something; do this" in said.why
    else:
        assert said == explanation


def test_a_server_that_fell_silent_fails_whatever_its_answers_were() -> None:
    """No objective failed: the load did."""
    silent = Explanation("fail", "silent", "no request ended")
    views = [view(objective, failed=False) for objective in BOTH]
    assert with_distrust(silent, views, distrusted((WHOLE,), BOTH)) == silent
    undecided = msgspec.structs.replace(silent, judgement="undecided")
    assert with_distrust(undecided, views, distrusted((WHOLE,), BOTH)) == undecided


def test_single_requests_end_a_search_only_where_nothing_sound_fails() -> None:
    """A search whose TTFT is missed by single requests goes on to say so."""
    assert blocking(distrusted((UNCOUNTED,), BOTH), {TTFT: 0.3}) is None
    assert blocking(distrusted((UNCOUNTED,), BOTH), {}) is None
    assert blocking(distrusted((UNCOUNTED,), BOTH), {TPOT: 0.03}) is not None
