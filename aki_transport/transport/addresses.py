"""The addresses of a host, and a socket to the first of them that answers."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import httpcore

_NEXT_ADDRESS = 0.25  # seconds before the next address of a host is tried beside the first (RFC 8305)


def addresses_of(host: str, port: int) -> list[str]:
    """The addresses of a host, each once."""
    try:
        infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        failure = httpcore.ConnectError(str(error))
    else:
        return list(dict.fromkeys(str(address[0]) for *_, address in infos))
    raise failure


async def connect(host: str, port: int) -> socket.socket:
    """A socket that is connected to the first address of the host that answers."""
    loop = asyncio.get_running_loop()
    infos = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    attempts: list[asyncio.Task[socket.socket]] = []
    failure: BaseException = OSError(f"{host} has no address")
    try:
        for family, kind, protocol, _, address in infos:
            attempts.append(loop.create_task(_connect_to(family, kind, protocol, address)))
            is_last = len(attempts) == len(infos)
            while pending := [attempt for attempt in attempts if not attempt.done()]:
                done, _ = await asyncio.wait(
                    pending, timeout=None if is_last else _NEXT_ADDRESS, return_when=asyncio.FIRST_COMPLETED
                )
                connected = next((attempt for attempt in done if attempt.exception() is None), None)
                if connected is not None:
                    attempts.remove(connected)
                    return connected.result()
                if not is_last:
                    break
        failure = next((error for attempt in attempts if (error := attempt.exception()) is not None), failure)
    finally:
        for attempt in attempts:
            attempt.cancel()
            attempt.add_done_callback(_close_late)
    raise failure


def _close_late(attempt: asyncio.Task[socket.socket]) -> None:
    """Close the socket of a slower address."""
    if not attempt.cancelled() and attempt.exception() is None:
        attempt.result().close()


async def _connect_to(family: int, kind: int, protocol: int, address: Any) -> socket.socket:
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)  # noqa: FBT003  the socket module's own signature
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock
