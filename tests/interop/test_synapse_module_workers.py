"""The module in a Synapse of several processes: changes reach clients of each."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from contrib.bench.people import log_in
from tests.interop.synapse_cluster import Cluster
from tests.interop.test_synapse_module import (
    Person,
    _hang_up,
    people,
    presence_is,
    says,
    sections,
    soon,
)

__all__ = ["_hang_up"]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One for all tests."""
    directory = tmp_path_factory.mktemp("synapses")
    config = {"client_window": "100ms", "worker_timeout": "3s"}
    with Cluster(directory, sections(config)) as cluster:
        yield cluster
        # Before the end, in which Synapse complains about Redis that went away.
        complaints = cluster.log()
    for complaint in ("Traceback", "sentinel"):
        assert complaint not in complaints, complaints[-8000:]
    assert "matrix_presence" not in cluster.log(), cluster.log()[-8000:]


def apart(cluster: Cluster) -> tuple[Person, Person]:
    """Two who share a room, one a client of main, the other of the sync worker."""
    alice, bob = people(cluster.main)
    moved = Person(cluster.syncer, bob.account)
    moved.sync(set_presence="offline")
    return alice, moved


def test_status_reaches_clients_of_each_process(cluster: Cluster) -> None:
    """Set on the one it is seen on the other, though a third process writes it."""
    on_main, on_worker = apart(cluster)
    pairs = ((on_main, on_worker), (on_worker, on_main))
    for number, (one, other) in enumerate(pairs):
        one.put("unavailable", f"status {number}")
        other.sees(one, presence_is("unavailable", f"status {number}"))


def test_waiting_client_of_a_worker_is_woken(cluster: Cluster) -> None:
    """A long poll there returns with a status that is set elsewhere meanwhile."""
    on_main, on_worker = apart(cluster)
    on_worker.sync(set_presence="offline")
    putting = soon(lambda: on_main.put("online", "surprise"))
    told = on_worker.sync(10, "offline")
    putting.join()
    assert told[on_main.user_id]["status_msg"] == "surprise"


def test_polls_on_a_worker_reveal_nobody_who_hides(cluster: Cluster) -> None:
    """They say nothing about their user, and Synapse's worker makes them say online."""
    on_main, on_worker = apart(cluster)
    on_worker.sync()
    on_main.sees(on_worker, presence_is("online"))
    on_worker.put("offline")
    on_main.sees(on_worker, presence_is("offline"))
    for _ in range(3):
        on_worker.sync()
    on_main.put("online", "a marker")
    on_main.sees(on_main, says("a marker"))
    assert on_worker.user_id not in on_main.sync(1, "offline")
    on_worker.sync(set_presence="online")
    on_main.sees(on_worker, presence_is("online"))


def test_what_happens_on_main_is_told_to_the_writer(cluster: Cluster) -> None:
    """An encrypted message is activity there, and a logout ends presence at once."""
    alice, watcher = apart(cluster)
    device = Person(cluster.main, log_in(alice.caller, _localpart(alice)))
    device.put("unavailable")
    watcher.sees(alice, presence_is("unavailable"))
    room = quote(device.ask("GET", "v3/joined_rooms")[1]["joined_rooms"][0], safe="")
    path = f"v3/rooms/{room}/send/m.room.encrypted/1"
    body = {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "..."}
    assert device.ask("PUT", path, body)[0] == 200
    watcher.sees(alice, presence_is("online"))
    assert device.ask("POST", "v3/logout", {})[0] == 200
    watcher.sees(alice, presence_is("offline"))


def _localpart(person: Person) -> str:
    return person.user_id[1:].partition(":")[0]


def test_polls_on_a_worker_count_until_it_is_killed(cluster: Cluster) -> None:
    """They keep their user there for as long as they follow one upon the other.

    Of those on a worker that is killed nobody tells: they end when it has been silent
    for its time. Once it is back everything is as before.
    """
    on_main, on_worker = apart(cluster)
    on_worker.sync()
    on_main.sees(on_worker, presence_is("online"))

    def poll() -> None:
        for _ in range(2):
            on_worker.sync(2.5)

    polling = soon(poll, 0)
    seen = [on_main.sync(1, "offline").get(on_worker.user_id) for _ in range(5)]
    polling.join()
    assert "offline" not in [told["presence"] for told in seen if told]
    cluster.syncer.kill()
    on_main.sees(on_worker, presence_is("offline"))
    cluster.syncer.start()
    on_worker.caller.close()
    on_worker.sync()
    on_main.sees(on_worker, presence_is("online"))


def test_writer_may_be_killed(cluster: Cluster) -> None:
    """What was acknowledged is there afterwards, and tokens go on on every process."""
    on_main, on_worker = apart(cluster)
    on_main.put("unavailable", "before")
    on_worker.sees(on_main, presence_is("unavailable", "before"))
    cluster.writer.signal(signal.SIGKILL)
    cluster.writer.start()
    on_main.put("online", "after")
    on_worker.sees(on_main, presence_is("online", "after"))
    on_worker.put("online", "here too")
    on_main.sees(on_worker, says("here too"))
