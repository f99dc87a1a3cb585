"""The server's side of a WebSocket: handshake key, frames, and the channels of ``v5.channel.k8s.io``."""

from __future__ import annotations

import base64
import hashlib
import queue
import struct
import threading
from collections.abc import Sequence
from io import BufferedIOBase

STDIN, STDOUT, STDERR, STATUS, _, CLOSE = 0, 1, 2, 3, 4, 255
PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
_BINARY, _CLOSE, _PING, _PONG = 2, 8, 9, 10
_MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def accept_key(key: str) -> str:
    """What the server answers to a client's ``Sec-WebSocket-Key``."""
    # SHA-1 is what RFC 6455 asks for; it protects nothing here.
    return base64.b64encode(hashlib.sha1(f"{key}{_MAGIC}".encode(), usedforsecurity=False).digest()).decode()


def choose_protocol(offered: Sequence[str]) -> str:
    """The first offered subprotocol that the server speaks, or an empty string."""
    return next((protocol for protocol in offered if protocol in PROTOCOLS), "")


class WebSocket:
    """Channels over one connection. ``closed`` is set when the client goes away, ``said_goodbye`` if it said so."""

    def __init__(self, reader: BufferedIOBase, writer: BufferedIOBase) -> None:
        self.closed = threading.Event()
        self.said_goodbye = False
        self._reader = reader
        self._writer = writer
        self._stdin: queue.Queue[bytes | None] = queue.Queue()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def send(self, channel: int, data: bytes) -> None:
        """Write to a channel; silent when the client has gone."""
        self._frame(_BINARY, bytes([channel]) + data)

    def close(self) -> None:
        """Say goodbye with code 1000 and wait a moment for the client to do the same."""
        self._frame(_CLOSE, struct.pack(">H", 1000))
        self._thread.join(2)

    def stdin(self, patience: float = 0.5) -> bytes:
        """What the client writes to channel 0 until it closes the channel or falls silent for ``patience`` seconds."""
        data = b""
        while True:
            try:
                part = self._stdin.get(timeout=patience)
            except queue.Empty:
                return data
            if part is None:
                return data
            data += part

    def _frame(self, opcode: int, payload: bytes) -> None:
        size = len(payload)
        if size < 126:
            head = struct.pack(">BB", 0x80 | opcode, size)
        elif size < 1 << 16:
            head = struct.pack(">BBH", 0x80 | opcode, 126, size)
        else:
            head = struct.pack(">BBQ", 0x80 | opcode, 127, size)
        with self._lock:
            try:
                self._writer.write(head + payload)
                self._writer.flush()
            except (OSError, ValueError):
                self.closed.set()

    def _read(self) -> None:
        try:
            while self._take_frame():
                pass
        except (OSError, ValueError, struct.error):
            pass  # the connection is gone; what follows says so to everybody who waits
        self.closed.set()
        self._stdin.put(None)

    def _take_frame(self) -> bool:
        first, second = struct.unpack(">BB", self._reader.read(2))
        size = second & 0x7F
        if size == 126:
            (size,) = struct.unpack(">H", self._reader.read(2))
        elif size == 127:
            (size,) = struct.unpack(">Q", self._reader.read(8))
        mask = self._reader.read(4) if second & 0x80 else b"\0\0\0\0"
        raw = self._reader.read(size)
        data = bytes(byte ^ mask[index % 4] for index, byte in enumerate(raw))
        opcode = first & 0x0F
        if opcode == _PING:
            self._frame(_PONG, data)
        elif opcode == _CLOSE:
            self.said_goodbye = True
            return False
        elif data and data[0] == STDIN:
            self._stdin.put(data[1:])
        elif data[:2] == bytes([CLOSE, STDIN]):
            self._stdin.put(None)
        return True
