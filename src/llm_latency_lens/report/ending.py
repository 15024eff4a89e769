"""Why a run was stopped, or why nothing of it succeeded, with what to do."""

from llm_latency_lens.criteria.abort import AUTOMATIC
from llm_latency_lens.model.result import Abort, Failure, Result


def cause_of(result: Result) -> str:
    """The cause in words, for the headline of a report."""
    if result.abort is not None:
        return abort_words(result.abort)
    if not result.offered.planned:
        return "the schedule had no request in it"
    if not result.offered.sent:
        return "none was sent, as the run was ended before"
    failure = next(iter(result.failures), None)
    return "see what failed" if failure is None else f"they failed{_named(failure)}"


def abort_words(abort: Abort) -> str:
    """What ended a run: the condition where one was given, what was seen, and the failure."""
    condition = "" if abort.condition == AUTOMATIC else f"{abort.condition}: "
    failure = "" if abort.failure is None else _named(abort.failure)
    return f"{condition}{abort.words}{failure}"


def _named(failure: Failure) -> str:
    name = "/".join(filter(None, (failure.outcome, failure.cause)))
    status = f" (HTTP {failure.status})" if failure.outcome == "error_http" else ""
    advice = f" - {failure.advice}" if failure.advice else ""
    return f" with {name}{status}{advice}"
