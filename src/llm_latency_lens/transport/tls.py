"""TLS over memory buffers, so that the socket stays ours and its kernel stamps stay usable.

Certificates and host names are always verified; there is no switch.
"""

import contextlib
import ssl

from llm_latency_lens.errors import UsageError
from llm_latency_lens.model.request import TlsOptions

_RECORD = 65536
_FIRST = 64
_HEADER = 5
"""A TLS record begins with its type, version (2 bytes) and length (2 bytes)."""


def make_context(options: TlsOptions) -> ssl.SSLContext:
    """A verifying client context with the system's trust, plus what `options` add.

    Raises:
        UsageError: a certificate or key file can't be read or is not PEM.
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if options.ca_file:
        try:
            context.load_verify_locations(cafile=options.ca_file)
        except OSError as error:
            raise UsageError(
                f"can't read CA file {options.ca_file!r} as PEM: {_words(error)}"
            ) from None
    if options.client_certificate:
        try:
            context.load_cert_chain(options.client_certificate, options.client_key)
        except OSError as error:
            raise UsageError(
                f"can't read client certificate {options.client_certificate!r}"
                f" and its key as PEM: {_words(error)}"
            ) from None
    return context


def _words(error: OSError) -> str:
    return error.strerror or getattr(error, "reason", None) or "no certificate found in it"


class TlsLayer:
    """One TLS session over bytes: what comes in is decrypted, what goes out is encrypted.

    Attributes:
        first: the beginning of what the peer answered to the handshake.
        closed: whether the peer has said that it sends no more.
    """

    __slots__ = ("_ahead", "_header", "_incoming", "_object", "_outgoing", "closed", "first")

    def __init__(
        self, context: ssl.SSLContext, host: str, session: ssl.SSLSession | None = None
    ) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._ahead = 0
        self._header = b""
        self.first = b""
        self.closed = False
        self._object = context.wrap_bio(
            self._incoming, self._outgoing, server_hostname=host, session=session
        )

    def handshake(self) -> bool:
        """Go as far as the bytes at hand allow; True when done. Raises ssl.SSLError."""
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def feed(self, ciphertext: bytes) -> None:
        """Take bytes from the wire; none means that the peer closed."""
        if ciphertext:
            if len(self.first) < _FIRST:
                self.first += ciphertext[:_FIRST]
            self._follow(ciphertext)
            self._incoming.write(ciphertext)
        else:
            self._incoming.write_eof()

    def outgoing(self) -> bytes:
        """Bytes that must go to the wire now."""
        return self._outgoing.read() if self._outgoing.pending else b""

    def decrypt(self, ciphertext: bytes) -> bytes:
        """Take bytes from the wire and give what they say; b"" also where a record is incomplete."""
        self._follow(ciphertext)
        self._incoming.write(ciphertext)
        pieces = []
        try:
            while piece := self._object.read(_RECORD):
                pieces.append(piece)
            self.closed = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.closed = True
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    @property
    def holds_part_of_a_record(self) -> bool:
        """Whether bytes came that do not make a whole record yet."""
        return self._ahead > 0 or bool(self._header)

    def _follow(self, ciphertext: bytes) -> None:
        """Follow the records' lengths: how far the last one reaches beyond the bytes that came."""
        if self._header:
            ciphertext = self._header + ciphertext
        position, size = self._ahead, len(ciphertext)
        while position + _HEADER <= size:
            position += _HEADER + (ciphertext[position + 3] << 8) + ciphertext[position + 4]
        self._header = ciphertext[position:]
        self._ahead = max(position - size, 0)

    def encrypt(self, plaintext: bytes) -> bytes:
        """Give the bytes that carry `plaintext`."""
        view = memoryview(plaintext)
        while view:
            view = view[self._object.write(view) :]
        return self._outgoing.read()

    def end(self) -> bytes:
        """Give the bytes that say we send no more; without them the session could not be resumed."""
        with contextlib.suppress(ssl.SSLError):
            self._object.unwrap()
        return self._outgoing.read()

    @property
    def session(self) -> ssl.SSLSession | None:
        """The session to resume later; TLS 1.3 sends it after the first response bytes."""
        return self._object.session

    @property
    def resumed(self) -> bool:
        """Whether this session resumed an earlier one."""
        return bool(self._object.session_reused)

    @property
    def version(self) -> str | None:
        """Such as TLSv1.3."""
        return self._object.version()

    @property
    def cipher(self) -> str | None:
        """The cipher suite's name."""
        cipher = self._object.cipher()
        return cipher[0] if cipher else None
