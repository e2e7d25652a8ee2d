"""What thinking carries to prove where it is from."""

import base64
import hashlib


def signature(thinking: str) -> str:
    """The signature the emulator gives with a thinking block, and wants back with it."""
    return base64.b64encode(hashlib.blake2b(thinking.encode(), digest_size=48).digest()).decode()
