"""Which protocol a port speaks that closes on an HTTP/1.1 request: it is asked in the two that are likely.

A TLS hello and HTTP/2's preface hold nothing of the request, and are sent once for a target at most.
"""

import asyncio
import ssl

from llm_latency_lens.model.recording import EndKind
from llm_latency_lens.model.request import Url
from llm_latency_lens.transport.first_bytes import is_tls, recognise
from llm_latency_lens.transport.tls import TlsLayer

_WAIT_S = 1.0
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
"""What an HTTP/2 client sends first, and its empty settings (RFC 9113, 3.4)."""


async def other_protocol(
    url: Url, address: str, context: ssl.SSLContext | None
) -> tuple[EndKind, str] | None:
    """The ending that explains a port at `address` that closes; None where neither does.

    `context` is the target's, where it speaks TLS.
    """
    if context is None:
        layer = TlsLayer(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), url.host)
        layer.handshake()
        if is_tls(await _answer(url, address, layer.outgoing(), None)):
            return EndKind.TLS_EXPECTED, "it closes on plain HTTP and answers a TLS hello"
    if recognise(await _answer(url, address, _PREFACE, context)) is not None:
        return EndKind.HTTP2_ONLY, "it closes on HTTP/1.1 and answers HTTP/2; this tool speaks 1.1"
    return None


async def _answer(url: Url, address: str, hello: bytes, context: ssl.SSLContext | None) -> bytes:
    """The first bytes of the answer to `hello`; b"" where there is none."""
    writer = None
    try:
        async with asyncio.timeout(_WAIT_S):
            reader, writer = await asyncio.open_connection(
                address,
                url.port,
                ssl=context,
                server_hostname=url.host if context is not None else None,
            )
            writer.write(hello)
            return await reader.read(64)
    except (OSError, TimeoutError):
        return b""
    finally:
        if writer is not None:
            writer.transport.abort()
