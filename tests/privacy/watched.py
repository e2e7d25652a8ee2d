"""Notes every host that this process looks up or connects to, lets it reach none but its own machine, and counts."""

import ctypes
import fcntl
import os
import socket
import struct
import sys
from ipaddress import ip_address
from itertools import pairwise
from pathlib import Path

_LOOKUPS = frozenset({"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo"})
_SENDS = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_NEW_USER, _NEW_NET = 0x10000000, 0x40000000
_SET_FLAGS, _UP_AND_RUNNING = 0x8914, 0x41
_COUNTERS = ("/proc/net/snmp", "/proc/net/snmp6")

hosts = []  # every host, in order; those of this machine by their address and port
opened = []  # every file that was opened


def _heard(event, arguments):
    if event == "open":
        opened.append(str(arguments[0]))
    elif event in _LOOKUPS:
        _note(arguments[0] if isinstance(arguments[0], str) else str(arguments[0][0]))
    elif event in _SENDS:
        address = arguments[-1] if event != "socket.sendmsg" else arguments[1]
        if isinstance(address, tuple):
            _note(address[0], address[1])


def _note(host, port=None):
    try:
        own = host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        own = False
    hosts.append(host if port is None else f"{host}:{port}")
    if not own:
        raise socket.gaierror(socket.EAI_NONAME, f"{host} is not for this process")


def begin():
    """Watch from here on; nothing can be unwatched."""
    sys.addaudithook(_heard)


def cut_off():
    """Put this process where there is no network but its own machine; the kernel counts who tries to leave it.

    Libraries in C need not tell Python what they do, but cannot avoid the kernel. False where it does not allow this.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if not Path(_COUNTERS[0]).exists() or not hasattr(libc, "unshare"):
        return False
    if libc.unshare(_NEW_USER | _NEW_NET) and libc.unshare(_NEW_NET):
        return False
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack("16sH14s", b"lo", _UP_AND_RUNNING, b""))
    return True


def tried_to_leave():
    """How many packets found no way out."""
    return sum(_counter(Path(name).read_text(encoding="ascii")) for name in _COUNTERS if os.path.exists(name))  # noqa: PTH110


def _counter(text):
    lines = [line.split() for line in text.splitlines()]
    for names, values in pairwise(lines):
        if names[0] == values[0] == "Ip:" and "OutNoRoutes" in names:
            return int(values[names.index("OutNoRoutes")])
    return sum(int(line[1]) for line in lines if line[0] == "Ip6OutNoRoutes")
