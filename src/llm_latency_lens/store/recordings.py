"""Saved recordings: every attempt's bytes and stamps, so that a run can be interpreted again.

Length-prefixed msgpack after a first line that names the format. Secrets are overwritten by as many
asterisks before anything is written, so that offsets and stamps stay what they were. Stamps are int64
in the byte order of the machine that took them, which the first line names too.
"""

import pathlib
import sys
from collections.abc import Iterator

import msgspec

from llm_latency_lens.errors import StoreError
from llm_latency_lens.model.recording import Attempt

FILE = "recordings.bin"
_FORMAT = f"llm-latency-lens/recordings/1 {sys.byteorder}\n".encode()
_PREFIX = 4

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Attempt).decode


class RecordingsWriter:
    """A sink for attempts; what `append` returned for is in the kernel's hands."""

    def __init__(self, folder: pathlib.Path, secrets: tuple[str, ...]) -> None:
        self._secrets = [(secret.encode(), b"*" * len(secret.encode())) for secret in secrets]
        path = folder / FILE
        try:
            self._file = path.open("xb", buffering=0)
            path.chmod(0o600)
            self._file.write(_FORMAT)
        except OSError as error:
            raise StoreError(f"can't write recordings {str(path)!r}: {error.strerror}") from None

    def append(self, attempt: Attempt) -> None:
        """Keep one attempt.

        Raises:
            StoreError: the disk is full or failing.
        """
        body = _encode(attempt)
        for secret, stars in self._secrets:
            body = body.replace(secret, stars)
        try:
            self._file.write(len(body).to_bytes(_PREFIX, "little") + body)
        except OSError as error:
            words = f"can't write recordings: {error.strerror}; run without --save-raw"
            raise StoreError(words) from None

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_recordings(folder: pathlib.Path) -> Iterator[Attempt]:
    """Every whole attempt of a run's recordings; a torn last one is left out.

    Raises:
        StoreError: none were saved, or in a format or byte order this machine can't read.
    """
    path = folder / FILE
    try:
        with path.open("rb") as file:
            found = file.readline()
            if found != _FORMAT:
                shown = found[:60].decode("ascii", "replace").strip()
                raise StoreError(f"{str(path)!r} is {shown!r}, not {_FORMAT.decode().strip()!r}")
            while len(prefix := file.read(_PREFIX)) == _PREFIX:
                body = file.read(size := int.from_bytes(prefix, "little"))
                if len(body) < size:
                    return
                yield _decode(body)
    except FileNotFoundError:
        raise StoreError(
            f"run {folder.name} has no recordings; save them with --save-raw"
        ) from None
    except (OSError, msgspec.DecodeError) as error:
        raise StoreError(f"can't read recordings {str(path)!r}: {error}") from None
