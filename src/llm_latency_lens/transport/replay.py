"""The one fake of a transport: it answers with recordings, in order or by request."""

from collections.abc import Callable, Iterable, Iterator

from llm_latency_lens.model.recording import Recording
from llm_latency_lens.model.request import HttpRequest, Limits


class ReplayTransport:
    """Answers each exchange with the next recording, or with what a function of the request gives.

    Raises:
        LookupError: from `exchange`, when the recordings are used up.
    """

    def __init__(self, source: Iterable[Recording] | Callable[[HttpRequest], Recording]) -> None:
        self.requests: list[HttpRequest] = []
        self._answer = source if callable(source) else _in_order(iter(source))

    async def exchange(self, request: HttpRequest, limits: Limits) -> Recording:  # noqa: ARG002 - the protocol's shape
        """The recording for this request; the limits were kept when it was made."""
        self.requests.append(request)
        return self._answer(request)


def _in_order(recordings: Iterator[Recording]) -> Callable[[HttpRequest], Recording]:
    def answer(request: HttpRequest) -> Recording:
        recording = next(recordings, None)
        if recording is None:
            raise LookupError(f"no recording is left for {request!r}")
        return recording

    return answer
