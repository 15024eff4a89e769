"""The few file operations the store needs, as a seam: tests make the n-th of them fail."""

import os
import pathlib
from typing import Protocol


class Files(Protocol):
    """Operations on file descriptors and paths; each may raise OSError."""

    def open(self, path: str, flags: int) -> int:
        """Open with mode 0600."""
        ...

    def write(self, fd: int, data: bytes) -> int:
        """Write what goes; returns how much went."""
        ...

    def fsync(self, fd: int) -> None:
        """Bring it to the disk."""
        ...

    def truncate(self, fd: int, size: int) -> None:
        """Cut the file to `size`."""
        ...

    def rename(self, source: str, target: str) -> None:
        """Replace `target` by `source`, atomically."""
        ...

    def close(self, fd: int) -> None:
        """Give the descriptor back."""
        ...


class SystemFiles:
    """The operating system's."""

    def open(self, path: str, flags: int) -> int:
        """Open with mode 0600."""
        return os.open(path, flags, 0o600)

    def write(self, fd: int, data: bytes) -> int:
        """Write what goes."""
        return os.write(fd, data)

    def fsync(self, fd: int) -> None:
        """Bring it to the disk."""
        os.fsync(fd)

    def truncate(self, fd: int, size: int) -> None:
        """Cut the file."""
        os.ftruncate(fd, size)
        os.lseek(fd, size, os.SEEK_SET)

    def rename(self, source: str, target: str) -> None:
        """Replace atomically."""
        pathlib.Path(source).replace(target)

    def close(self, fd: int) -> None:
        """Give the descriptor back."""
        os.close(fd)


def write_atomically(path: str, data: bytes, files: Files) -> None:
    """The old content or the new one, never half: write beside, fsync, rename, fsync the directory."""
    beside = path + ".new"
    fd = files.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        view = memoryview(data)
        while view:
            view = view[files.write(fd, bytes(view)) :]
        files.fsync(fd)
    finally:
        files.close(fd)
    files.rename(beside, path)
    folder = files.open(str(pathlib.Path(path).parent), os.O_RDONLY | os.O_DIRECTORY)
    try:
        files.fsync(folder)
    finally:
        files.close(folder)
