"""The floor: a bare epoll reader in Python that looks for the end of each response and does nothing else.

It stamps after each read, parses nothing, keeps nothing.
"""

import select
import socket
import sys
import time

from benchmarks.load import CLIENT_CORE, cpu_seconds, pin

_REQUEST = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
_BODY = b'{"model":"sim","stream":true,"messages":[{"role":"user","content":"hello"}]}'
_END = b"0\r\n\r\n"


def read_all(port: int, concurrency: int, requests: int) -> float:
    """CPU seconds for `requests` responses over `concurrency` connections."""
    pin(CLIENT_CORE)
    payload = _REQUEST % (len(_BODY), _BODY)
    poll = select.epoll()
    sockets: dict[int, socket.socket] = {}
    left = requests
    before = cpu_seconds()
    for _ in range(concurrency):
        sock = socket.create_connection(("127.0.0.1", port))
        sock.setblocking(False)
        sockets[sock.fileno()] = sock
        poll.register(sock.fileno(), select.EPOLLIN)
        sock.send(payload)
        left -= 1
    done = 0
    stamps = []
    while done < requests:
        for fd, _ in poll.poll():
            data = sockets[fd].recv(65536)
            stamps.append(time.monotonic_ns())
            if data.endswith(_END):
                done += 1
                if left > 0:
                    left -= 1
                    sockets[fd].send(payload)
    for sock in sockets.values():
        sock.close()
    return cpu_seconds() - before


if __name__ == "__main__":
    print(read_all(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
