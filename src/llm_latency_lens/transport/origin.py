"""What is known of a connection from its making on, and what is told of it when an exchange ends."""

from msgspec import Struct

from llm_latency_lens.model.recording import ConnectionFacts
from llm_latency_lens.transport.tcp_info import TcpInfo
from llm_latency_lens.transport.tls import TlsLayer


class Origin(Struct, frozen=True, kw_only=True):
    """Where a connection was made to; `addresses` is how many the name of its peer has."""

    id: int
    remote: str
    family: str
    proxy: str | None = None
    addresses: int = 1

    def facts(
        self,
        *,
        idle_before: int | None,
        tls: TlsLayer | None,
        info: TcpInfo | None,
        retransmits: int,
        packets: bool,
        unasked: int,
    ) -> ConnectionFacts:
        """The connection as it is now; `retransmits` are those of the exchange."""
        return ConnectionFacts(
            id=self.id,
            reused=idle_before is not None,
            remote=self.remote,
            family=self.family,
            proxy=self.proxy,
            addresses=self.addresses,
            tls_version=tls.version if tls else None,
            tls_cipher=tls.cipher if tls else None,
            tls_resumed=tls.resumed if tls else None,
            idle_before=idle_before,
            rtt=info.rtt if info is not None else None,
            rtt_min=info.rtt_min if info is not None else None,
            retransmits=retransmits if info is not None else None,
            packets=packets,
            unasked=unasked,
        )
