"""A picture as base64, sound or spoiled by a fault."""

import base64

from aki_transport.emulator.faults import Faults

# No such host: nobody is meant to fetch it.
ELSEWHERE = "https://images.invalid/picture.png"
_MEGABYTE = 1_000_000


def payload(png: bytes, faults: Faults) -> str:
    """The base64 of a picture."""
    if faults.bad_base64:
        return "%%% no base64 %%%"
    if faults.not_an_image:
        return base64.b64encode(b"<html><body>Bad Gateway</body></html>").decode()
    if faults.huge is not None:
        # What stands behind the end of a PNG changes nothing about the picture.
        png = png.ljust(faults.huge * _MEGABYTE // 4 * 3, b"\0")
    return base64.b64encode(png).decode()
