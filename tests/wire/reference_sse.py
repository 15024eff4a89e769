"""A slow SSE parser written from the WHATWG text, on characters of a whole stream; the oracle of ours."""

import re


def parse(stream: bytes) -> list[tuple[str, bytes]]:
    """(event type, data) of every event that a blank line ends."""
    if stream.startswith(b"\xef\xbb\xbf"):
        stream = stream[3:]
    lines = re.split(rb"\r\n|\n|\r", stream)
    lines.pop()  # what no line end follows is no line yet
    blocks: list[list[bytes]] = [[]]
    for line in lines:
        if line:
            blocks[-1].append(line)
        else:
            blocks.append([])
    events = [_event(block) for block in blocks[:-1]]
    return [event for event in events if event is not None]


def _event(block: list[bytes]) -> tuple[str, bytes] | None:
    kind, data = b"", []
    for line in block:
        name, _, value = line.partition(b":")
        if value[:1] == b" ":
            value = value[1:]
        if name == b"data":
            data.append(value)
        elif name == b"event":
            kind = value
    return (kind.decode("utf-8", "replace"), b"\n".join(data)) if data else None
