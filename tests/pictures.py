"""A small real picture, and where the emulator makes others."""

from typing import Any

from aki_transport.emulator import Emulator
from aki_transport.live_check.probes import red_png


def a_png(width: int = 8, height: int = 8) -> bytes:
    return red_png(width, height)


def drawing_at(emulator: Emulator, protocol: str, fault: str = "", **given: Any) -> dict[str, Any]:
    """The fields of a tool for small pictures at the emulator."""
    where = {"protocol": protocol, "base_url": getattr(emulator, f"{protocol}_url"), "api_key": emulator.key}
    return {**where, "size": "128x128", "default_headers": {"x-emulator-fault": fault} if fault else None, **given}


def images_asked_for(emulator: Emulator) -> int:
    ends = ("/images/generations", "/images/edits", "/call/z_image_turbo", "/call/qwen_image_edit")
    return sum(seen.path.endswith(ends) for seen in emulator.requests)
