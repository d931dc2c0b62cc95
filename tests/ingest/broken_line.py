"""A village's line on loopback: it carries TCP to whatever server is there, and resets a connection again and again."""

from __future__ import annotations

import contextlib
import random
import socket
import struct
import threading

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER with no time: close sends RST


class BrokenLine:
    """Listens on loopback. Each connection is reset once it has brought some bytes of its client, as the seed says."""

    def __init__(self, seed: int, fewest: int, most: int) -> None:
        self._chance = random.Random(seed)
        self._bytes = (fewest, most)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.server: tuple[str, int] | None = None
        """Who answers; ``None`` while nobody does."""
        self.resets = 0
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                threading.Thread(
                    target=self._carry, args=(near, self._chance.randint(*self._bytes)), daemon=True
                ).start()

    def _carry(self, near: socket.socket, budget: int) -> None:
        try:
            assert self.server is not None
            far = socket.create_connection(self.server, timeout=30)
        except (OSError, AssertionError):
            self._reset(near)
            return
        threading.Thread(target=self._answer, args=(far, near), daemon=True).start()
        with contextlib.suppress(OSError):
            while budget > 0 and (data := near.recv(min(budget, 8192))):
                budget -= len(data)
                far.sendall(data)
        if budget <= 0:
            self.resets += 1
        self._reset(far)
        self._reset(near)

    def _answer(self, far: socket.socket, near: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := far.recv(8192):
                near.sendall(data)
        with contextlib.suppress(OSError):
            near.shutdown(socket.SHUT_RDWR)

    @staticmethod
    def _reset(line: socket.socket) -> None:
        with contextlib.suppress(OSError):
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        line.close()
