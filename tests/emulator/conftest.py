import httpx
import pytest

from aki_transport.emulator import Emulator
from tests.emulator.asking import openai


@pytest.fixture(scope="session")
def running():
    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def emu(running):
    running.reset()
    return running


@pytest.fixture(scope="session")
def client(running):
    with openai.OpenAI(base_url=running.openai_url, api_key=running.key, max_retries=0) as made:
        yield made


@pytest.fixture(scope="session")
def http(running):
    headers = {"authorization": f"Bearer {running.key}"}
    with httpx.Client(base_url=running.url, headers=headers, timeout=10) as made:
        yield made
