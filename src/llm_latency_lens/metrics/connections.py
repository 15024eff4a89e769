"""The connections of the measured requests: new or kept, to which addresses, and what came unasked."""

from collections import Counter

from llm_latency_lens.model.recording import ConnectionFacts


class ConnectionCounts:
    """A fold over the connections of records.

    Attributes:
        new, reused: requests that opened a connection, and that used a kept one.
        remotes: requests for each address that connections were made to.
        addresses: how many the host's name has.
        unasked: answers that nobody asked for.
    """

    def __init__(self) -> None:
        self.new = self.reused = self.unasked = 0
        self.addresses = 1
        self.remotes: Counter[str] = Counter()

    def add(self, facts: ConnectionFacts | None) -> None:
        """Take the connection of one request, if it got one."""
        if facts is None:
            return
        self.new += not facts.reused
        self.reused += facts.reused
        self.unasked += facts.unasked
        self.addresses = max(self.addresses, facts.addresses)
        self.remotes[facts.remote] += 1
