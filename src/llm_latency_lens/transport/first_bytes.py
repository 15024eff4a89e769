"""Which protocol a peer speaks that does not speak HTTP/1.1, by the first bytes that it sent."""

from llm_latency_lens.model.recording import EndKind

_QUOTED = 60
_TLS_TYPES = frozenset({0x14, 0x15, 0x16, 0x17})
_H2_SETTINGS = 0x4
_H2_GOAWAY = 0x7


def recognise(data: bytes) -> tuple[EndKind, str] | None:
    """The ending that the first bytes of an answer mean; None where they tell nothing."""
    if is_tls(data):
        return EndKind.TLS_EXPECTED, "the peer answered a plain HTTP request with TLS"
    if _is_http2(data):
        return EndKind.HTTP2_ONLY, "the peer answered with HTTP/2; this tool speaks HTTP/1.1"
    return None


def is_tls(data: bytes) -> bool:
    """Whether the bytes begin a TLS record: its type, then the major version 3."""
    return len(data) > 1 and data[0] in _TLS_TYPES and data[1] == 3


def quoted(data: bytes) -> str:
    """The beginning of a peer's bytes, for people."""
    text = data[:_QUOTED].decode("latin-1").partition("\r\n")[0]
    return repr(text) + (" ..." if len(data) > _QUOTED else "")


def _is_http2(data: bytes) -> bool:
    """A client's preface, or a frame that a server sends first: on stream 0, and no longer than allowed."""
    if data.startswith(b"PRI * HTTP/2"):
        return True
    if len(data) < 9 or data[3] not in {_H2_SETTINGS, _H2_GOAWAY}:
        return False
    return data[0] == 0 and data[5:9] == bytes(4)
