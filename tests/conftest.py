"""Fixtures of the tests that run a real gateway: see gateway.py, fake_upstream.py, wire_client.py."""

import pathlib

import openai
import pytest

import gateway as gateway_module
from certificates import Authority
from fake_upstream import FakeUpstream
from gateway import Gateway, plain_config
from wire_client import Wire


def pytest_configure(config):
    binary = pathlib.Path(gateway_module.BINARY)
    if not binary.exists() and not config.option.collectonly:
        raise pytest.UsageError(f"{binary}: no such file; `./dev build` makes it, TURNPIKE_BIN names another")


class Shared:
    """The gateway that cheap tests share; a test that breaks it fails, and the next one gets a new one."""

    def __init__(self, factory):
        self._factory = factory
        self.gateway = None

    def get(self):
        if self.gateway is None:
            self.gateway = self._factory()
        return self.gateway

    def check(self):
        if self.gateway is not None and not self.gateway.alive():
            broken, self.gateway = self.gateway, None
            broken.stop()  # raises with what it said
            raise gateway_module.Unhealthy("the shared gateway ended during this test")


@pytest.fixture(scope="session")
def fake():
    fake = FakeUpstream()
    yield fake
    fake.stop()


@pytest.fixture(scope="session")
def shared_gateway(fake, tmp_path_factory):
    def start():
        return Gateway(tmp_path_factory.mktemp("gateway"), plain_config(fake.url, workers=2)).start()

    shared = Shared(start)
    yield shared
    if shared.gateway is not None:
        shared.gateway.stop()


@pytest.fixture
def gateway(shared_gateway, fake):
    """The shared gateway, its upstream being `fake`."""
    fake.problems.clear()
    yield shared_gateway.get()
    shared_gateway.check()
    assert not fake.problems, fake.problems


@pytest.fixture
def start_gateway(tmp_path):
    """start_gateway(config, ...) starts one of the test's own; all are stopped, and checked, at the end."""
    started = []

    def start(config, environment=None, run=True):
        directory = tmp_path / f"gateway{len(started)}"
        gateway = Gateway(directory, config, environment)
        started.append(gateway)
        return gateway.start() if run else gateway

    yield start
    for gateway in started:
        gateway.stop()


@pytest.fixture
def own_fake():
    """An upstream of the test's own: for counting its connections, or for stopping it."""
    fake = FakeUpstream()
    yield fake
    problems = list(fake.problems)
    fake.stop()
    assert not problems, problems


@pytest.fixture
def own_gateway(start_gateway, own_fake):
    return start_gateway(plain_config(own_fake.url))


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def client(gateway):
    with openai.OpenAI(base_url=gateway.url + "/v1", api_key=gateway.key, max_retries=0, timeout=30) as client:
        yield client


@pytest.fixture
def wire(gateway):
    """A raw connection to the shared gateway, with the key at hand."""
    with Wire(gateway.port, key=gateway.key) as wire:
        yield wire


@pytest.fixture
def dial(gateway):
    """dial() opens more of them."""
    opened = []

    def dial(**options):
        opened.append(Wire(gateway.port, **{"key": gateway.key, **options}))
        return opened[-1]

    yield dial
    for wire in opened:
        wire.close()
