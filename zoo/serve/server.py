"""Runs the application in uvicorn until a signal comes, and then until everything accepted is answered."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import socket
import struct
import sys
import threading
import time
from contextlib import suppress

import uvicorn

from zoo import signals
from zoo.errors import UsageError
from zoo.serve.app import Application
from zoo.serve.limits import Limits

CLOSE_SECONDS = 1.0  # that an idle connection has left when the server stops: a request may be on its way
TICK_SECONDS = 0.02
TURNS = 3  # of the event loop
SO_ATTACH_FILTER = 26  # Linux's asm-generic/socket.h; Python does not name it
# A filter of TCP segments (linux/filter.h: code, jumps, operand): drops one that has the flag SYN and not ACK.
WITHOUT_SYN = ((0x30, 0, 0, 13), (0x54, 0, 0, 0x12), (0x15, 0, 1, 0x02), (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFFFFFF))
IDLE_SECONDS = 75  # that an idle connection is kept
BACKLOG = 1024  # connections that wait to be accepted
END_SECONDS = 5.0  # beyond the grace, until the process is ended from outside

log = logging.getLogger("zoo")


def bind(host: str, port: int) -> socket.socket:
    """Gives a socket at an address; it takes no connections until a server runs.

    Raises:
        UsageError: the address is taken, or is not this machine's.
    """
    if not 0 <= port <= 65535:  # the system would take another one
        raise UsageError(f"--port {port} does not work.", "A number from 0 to 65,535.")
    made = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        made = socket.socket(family, kind, protocol)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
    except (OSError, OverflowError, UnicodeError) as error:
        if made:
            made.close()
        why = getattr(error, "strerror", None) or str(error)
        raise UsageError(
            f"{host}:{port} cannot be listened at: {why}.", "Give another --port, or --host."
        ) from None
    return made


def address_of(bound: socket.socket) -> str:
    """Gives the address of a socket as clients write it."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def ignore_new(listening: socket.socket) -> None:
    """Lets the system ignore who asks for a connection, so that none is accepted and then lost when we close.

    Linux only; elsewhere a connection that comes within the last turn of the event loop is reset.
    """
    if sys.platform != "linux":
        return
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in WITHOUT_SYN))
    program = struct.pack("HP", len(WITHOUT_SYN), ctypes.addressof(code))
    with suppress(OSError):  # a sandbox that has no such filters
        listening.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)


class _Server(uvicorn.Server):
    """uvicorn's server, which stops without losing a request.

    uvicorn closes idle connections at once, and a request that was on its way on one of them would be lost. So
    first no connection is accepted, every answer closes its own, and idle ones have CLOSE_SECONDS.
    """

    def __init__(self, config: uvicorn.Config, application: Application, grace: float) -> None:
        super().__init__(config)
        self.gate, self.grace = application.gate, grace

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.gate.stopping = True
        for sock in sockets or ():
            ignore_new(sock)
        await asyncio.sleep(TICK_SECONDS)
        for _ in range(TURNS):  # a turn begins with timers, then takes what the system has accepted, then counts it
            await asyncio.sleep(0)
        for server in self.servers:
            server.close()
        quiet = begin = time.monotonic()
        while self.server_state.connections and time.monotonic() < min(quiet + CLOSE_SECONDS, begin + self.grace):
            await asyncio.sleep(TICK_SECONDS)
            if self.gate.held:
                quiet = time.monotonic()
        if self.gate.held:
            log.warning("%d requests were not answered within %g s.", self.gate.held, self.grace)
        await super().shutdown(sockets)


def serve(application: Application, bound: socket.socket, limits: Limits) -> int:
    """Answers requests until a signal comes; raises it again when all that was accepted is answered.

    Returns:
        1: the server ended by itself.
    """
    config = uvicorn.Config(
        application.gate,
        log_config=None,  # its own closes the handlers of others
        log_level="error",
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=1,  # the grace is over then
        backlog=BACKLOG,
        limit_concurrency=2 * limits.max_concurrent_requests + 100,
    )
    server = _Server(config, application, limits.grace)
    ended = threading.Event()  # a join that a signal interrupts takes its thread for ended (Python 3.10 to 3.12)

    def run() -> None:
        try:
            server.run(sockets=[bound])
        finally:
            ended.set()

    signals.patience(limits.grace + END_SECONDS)
    threading.Thread(target=run, name="http", daemon=True).start()
    try:
        while not ended.wait(1.0):
            pass
    finally:
        server.should_exit = True
        ended.wait(limits.grace + END_SECONDS)
        application.close()
    return 1
