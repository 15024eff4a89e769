"""Why a TLS handshake failed, and what helps: by the peer's first bytes, the certificate's fault or the alert."""

import ssl

from llm_latency_lens.model.recording import EndKind
from llm_latency_lens.transport.first_bytes import is_tls, quoted

_TRUST = "if you trust who signed it, give the authority's certificate with --ca-file"
_CERTIFICATE: dict[int, str] = {
    2: _TRUST,  # X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT
    9: "it is not valid yet: check this machine's clock",
    10: "it must be renewed (or this machine's clock is wrong)",
    18: _TRUST,  # X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT
    19: _TRUST,  # X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN
    20: _TRUST,  # X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY
    21: _TRUST,  # X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE
    62: "write a host that the certificate names in --base-url",
    64: "write a host that the certificate names in --base-url",
}
"""OpenSSL's verify codes (x509_vfy.h), and what helps."""
_NO_HTTP1 = "it refuses HTTP/1.1 (ALPN), as servers of HTTP/2 alone do; this tool speaks HTTP/1.1"
_NO_VERSION = "it shares no version of TLS with this tool, which speaks 1.2 and 1.3"
_WANTS_CERTIFICATE = "it wants a client certificate: give one with --client-cert and --client-key"
_NOTHING_SHARED = (
    "it shares no cipher with this tool, or wants a client certificate: --client-cert, --client-key"
)
_REASONS: dict[str, tuple[EndKind, str]] = {
    "NO_APPLICATION_PROTOCOL": (EndKind.HTTP2_ONLY, _NO_HTTP1),
    "PROTOCOL_VERSION": (EndKind.TLS_FAILED, _NO_VERSION),
    "UNSUPPORTED_PROTOCOL": (EndKind.TLS_FAILED, _NO_VERSION),
    "CERTIFICATE_REQUIRED": (EndKind.TLS_FAILED, _WANTS_CERTIFICATE),
    "UNRECOGNIZED_NAME": (EndKind.TLS_FAILED, "it serves no host of this name"),
    "UNKNOWN_CA": (EndKind.TLS_FAILED, "it does not trust the client certificate's authority"),
    "BAD_CERTIFICATE": (EndKind.TLS_FAILED, "it does not take the client certificate"),
    "HANDSHAKE_FAILURE": (EndKind.TLS_FAILED, _NOTHING_SHARED),
    "UNEXPECTED_EOF_WHILE_READING": (EndKind.TLS_FAILED, "it closed the connection"),
}
"""Ends of OpenSSL's reasons: those of this side, and the peer's alerts."""


def handshake_failure(error: ssl.SSLError, first: bytes, where: str) -> tuple[EndKind, str]:
    """The ending and the words for a failed handshake with `where`, which answered `first`."""
    if first and not is_tls(first):
        words = f"{where} does not speak TLS: it answered the handshake with {quoted(first)}"
        return EndKind.NOT_TLS, words
    if isinstance(error, ssl.SSLCertVerificationError):
        remedy = _CERTIFICATE.get(error.verify_code)
        words = f"the certificate of {where} can't be trusted: {error.verify_message}"
        return EndKind.TLS_FAILED, words + (f"; {remedy}" if remedy else "")
    return alert(error, f"no TLS with {where}")


def alert(error: ssl.SSLError, what: str) -> tuple[EndKind, str]:
    """The ending and the words for an error of TLS by its reason alone."""
    reason = error.reason or ""
    for end, (kind, words) in _REASONS.items():
        if reason.endswith(end):
            return kind, f"{what}: {words} ({reason})"
    return EndKind.TLS_FAILED, f"{what}: {reason or error.strerror or error}"
