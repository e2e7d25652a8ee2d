"""`AKI_EMULATOR` sends what has no base URL to an emulator, with the emulator's key and no other."""

import pytest

from aki_transport import PROVIDERS, Client, ConfigurationError, Provider, Route
from aki_transport.auth import emulated
from aki_transport.emulator import Emulator

ROOT = "http://127.0.0.1:8089"


@pytest.fixture
def switched_on(monkeypatch):
    monkeypatch.setenv("AKI_EMULATOR", f"{ROOT}/")
    monkeypatch.delenv("AKI_API_KEY", raising=False)


def test_without_it_nothing_changes(monkeypatch):
    monkeypatch.setenv("AKI_EMULATOR", " ")
    route = PROVIDERS["aki"].route("openai")
    assert emulated(PROVIDERS["aki"], route, "key") == (route, "key")


@pytest.mark.usefixtures("switched_on")
def test_every_route_is_where_the_emulator_has_it_with_its_key():
    with Emulator() as emulator:
        served = {(url.removeprefix(emulator.url), key) for _, url, key in emulator.addresses}
    routes = [emulated(row, route, "a-real-key") for row in PROVIDERS.values() for route in row.routes]
    assert {(route.base_url.removeprefix(ROOT), key) for route, key in routes} == served


@pytest.mark.usefixtures("switched_on")
def test_a_provider_of_the_users_goes_to_the_route_of_its_protocol():
    mine = Provider(name="mine", routes=(Route(protocol="anthropic", base_url="https://a.example", key_in="bearer"),))
    route, key = emulated(mine, mine.route("anthropic"), None)
    assert (route.base_url, route.key_places[0], key) == (f"{ROOT}/anthropic", "x-api-key", "aki-test")


@pytest.mark.usefixtures("switched_on")
def test_a_client_with_a_base_url_of_its_own_goes_there():
    assert Client().base_url == f"{ROOT}/v1"
    assert Client(base_url="https://aki.io/v1", api_key="key").base_url == "https://aki.io/v1"


@pytest.mark.parametrize(
    "root", ["https://emulator.example", "http://10.0.0.1:8089", "127.0.0.1:8089", "http://u:p@127.0.0.1"]
)
def test_it_has_to_be_on_this_machine(monkeypatch, root):
    monkeypatch.setenv("AKI_EMULATOR", root)
    with pytest.raises(ConfigurationError, match="AKI_EMULATOR"):
        Client()
