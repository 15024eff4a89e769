"""Where a key is kept: an environment variable, a file, or a command that prints it. Never in plain text."""

import pathlib
import shlex
import subprocess
from collections.abc import Mapping

from msgspec import Struct

from llm_latency_lens.errors import UsageError
from llm_latency_lens.providers.auth import checked_key

_DEADLINE_S = 30.0
KINDS = ("env", "file", "command")


class KeySource(Struct, frozen=True, kw_only=True):
    """Exactly one of these is set."""

    env: str | None = None
    file: str | None = None
    command: str | None = None

    @property
    def public_name(self) -> str:
        """Where the key is, for people; not the key, nor a command's arguments."""
        if self.command is not None:
            return f"command {shlex.split(self.command)[0]!r}"
        return f"environment variable {self.env}" if self.env else f"file {self.file!r}"


def parse_key_source(value: object) -> KeySource:
    """A key source as configurations write it: `{env = "NAME"}`, `{file = "path"}` or `{command = "..."}`.

    Raises:
        UsageError: anything else; a key in plain text is not repeated.
    """
    if not isinstance(value, dict):
        raise UsageError(
            'a key does not belong into a configuration; write key = {env = "NAME"}, {file = "path"} or {command = "..."}'
        )
    found = {name: text for name, text in value.items() if name in KINDS}
    if len(value) != 1 or len(found) != 1:
        raise UsageError("key must have exactly one of env, file and command")
    (text,) = found.values()
    if not isinstance(text, str) or not text.strip():
        raise UsageError(f"key.{next(iter(found))} must be text that is not empty")
    return KeySource(**found)


def read_key(source: KeySource, environment: Mapping[str, str]) -> str:
    """The key itself.

    Raises:
        UsageError: it isn't there; neither it nor a command's output is ever in the message.
    """
    name = source.public_name
    if source.env is not None:
        text = environment.get(source.env, "")
    elif source.file is not None:
        text = _from_file(source.file)
    else:
        text = _from_command(source.command or "", name, environment)
    key = text.strip()
    if not key:
        state = "holds nothing" if source.env is None or source.env in environment else "is not set"
        raise UsageError(f"no key: the {name} {state}")
    return checked_key(key, f"the {name}")


def _from_file(path: str) -> str:
    try:
        return pathlib.Path(path).expanduser().read_text(encoding="utf-8").strip().split("\n")[0]
    except (OSError, UnicodeDecodeError) as error:
        words = getattr(error, "strerror", None) or "not text"
        raise UsageError(f"can't read key file {path!r}: {words}") from None


def _from_command(command: str, name: str, environment: Mapping[str, str]) -> str:
    try:
        words = shlex.split(command)
        done = subprocess.run(
            words,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_DEADLINE_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise UsageError(f"the {name} gave no key within {_DEADLINE_S:.0f} s") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it can't be parsed"
        raise UsageError(f"the {name} can't be run: {reason}") from None
    if done.returncode:
        raise UsageError(f"the {name} ended with code {done.returncode} and gave no key")
    return done.stdout.decode("utf-8", "replace").split("\n")[0]
