"""How long what a device said holds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from matrix_presence.rules.devices import (
    UNKNOWN,
    Device,
    is_connected,
)
from matrix_presence.rules.states import Presence
from matrix_presence.rules.timeouts import Timeouts
from matrix_presence.rules.users import add_up
from tests.base import TestCase
from tests.rules.happening import (
    HOUR,
    MINUTE,
    NOW,
    SECOND,
    TIMEOUTS,
    act,
    devices,
    left,
    poll,
    put,
    stands,
    sync,
    times,
)

OFFLINE, UNAVAILABLE, ONLINE, FREE_FOR_CHAT, BUSY = Presence


class ConnectionTests(TestCase):
    """How long what was stated holds."""

    def test_it_holds_for_the_time_of_a_contact(self) -> None:
        """Online ends half a minute after the last sync has returned (B-46)."""
        device = sync(UNKNOWN, None, NOW)
        self.assertEqual(ONLINE, stands(device, NOW + 30 * SECOND - 1))
        self.assertEqual(OFFLINE, stands(device, NOW + 30 * SECOND))

    def test_an_open_poll_keeps_it(self) -> None:
        """While a sync is open the device is connected, however long (B-46)."""
        device = poll(UNKNOWN, None, NOW)
        self.assertTrue(is_connected(device, NOW + 100 * HOUR, TIMEOUTS))
        self.assertNotEqual(OFFLINE, stands(device, NOW + 100 * HOUR))

    def test_busy_holds_for_an_hour(self) -> None:
        """A busy device goes offline an hour after its last contact (B-50)."""
        device = put(UNKNOWN, BUSY, NOW)
        self.assertEqual(BUSY, stands(device, NOW + HOUR - 1))
        self.assertEqual(OFFLINE, stands(device, NOW + HOUR))

    def test_busy_does_not_idle(self) -> None:
        """There is no idle timer for somebody in a call (B-50)."""
        device = poll(put(UNKNOWN, BUSY, NOW), None, NOW)
        self.assertEqual(BUSY, stands(device, NOW + HOUR))

    def test_what_an_application_service_set_stays(self) -> None:
        """A state of an application service's user ends by the next one only (D-50)."""
        for state in (UNAVAILABLE, ONLINE, FREE_FOR_CHAT, BUSY):
            device = put(UNKNOWN, state, NOW, kept=True)
            self.assertEqual(state, stands(device, NOW + 1000 * HOUR))

    @given(devices(), times)
    def test_looking_at_the_time_changes_nothing_that_is_seen(
        self, device: Device, later: int
    ) -> None:
        """What is left of a device adds what the device would have (B-52)."""
        now = NOW + later
        kept = left(device, now)
        for then in (now, now + MINUTE, now + HOUR):
            before, after = ([device], [] if kept is None else [kept])
            self.assertEqual(
                add_up(before, then, TIMEOUTS).presence,
                add_up(after, then, TIMEOUTS).presence,
            )

    @given(devices(), times)
    def test_a_connected_device_is_kept_as_it_is(
        self, device: Device, later: int
    ) -> None:
        """Nothing is left out of a device whose word holds (B-46)."""
        if is_connected(device, NOW + later, TIMEOUTS):
            self.assertEqual(device, left(device, NOW + later))

    @given(devices(), times)
    def test_what_is_left_comes_back_as_the_device_would_have(
        self, device: Device, later: int
    ) -> None:
        """A later sync makes the same of what was kept as of all there was (B-45)."""
        now = NOW + later
        kept = left(device, now) or UNKNOWN
        for said in (None, OFFLINE, UNAVAILABLE, ONLINE):
            one, other = sync(device, said, now), sync(kept, said, now)
            self.assertEqual(stands(one, now), stands(other, now))
            one, other = act(one, now + 1), act(other, now + 1)
            self.assertEqual(stands(one, now + 1), stands(other, now + 1))

    @given(devices(), times)
    def test_what_timed_out_cannot_be_revived_by_its_age(
        self, device: Device, later: int
    ) -> None:
        """What is left says offline, even if it were seen just now (B-53)."""
        now = NOW + later
        kept = left(device, now)
        if kept is not None and not is_connected(device, now, TIMEOUTS):
            revived = kept._replace(last_seen_ts=now)
            self.assertEqual(OFFLINE, stands(revived, now))


class IdleTests(TestCase):
    """Online that fades."""

    def test_online_fades_after_the_threshold(self) -> None:
        """A connected device without activity for five minutes is idle (B-40)."""
        device = poll(UNKNOWN, None, NOW)
        self.assertEqual(ONLINE, stands(device, NOW + 5 * MINUTE - 1))
        self.assertEqual(UNAVAILABLE, stands(device, NOW + 5 * MINUTE))

    def test_free_for_chat_fades_and_comes_back(self) -> None:
        """Free for chat idles like online and is what activity returns to (B-49)."""
        device = poll(put(UNKNOWN, FREE_FOR_CHAT, NOW), None, NOW)
        later = NOW + 5 * MINUTE
        self.assertEqual(UNAVAILABLE, stands(device, later))
        self.assertEqual(FREE_FOR_CHAT, stands(act(device, later), later))

    def test_free_for_chat_comes_back_after_a_manual_unavailable(self) -> None:
        """The last available state that was chosen is returned to (B-49)."""
        device = put(put(UNKNOWN, FREE_FOR_CHAT, NOW), UNAVAILABLE, NOW)
        self.assertEqual(FREE_FOR_CHAT, stands(act(device, NOW + 1), NOW + 1))

    def test_without_a_threshold_only_clients_idle(self) -> None:
        """An idle time of 0 leaves idling to the clients (X-5)."""
        timeouts = Timeouts(idle=0)
        device = poll(UNKNOWN, None, NOW)
        self.assertEqual(ONLINE, stands(device, NOW + 100 * HOUR, timeouts))
        self.assertEqual(0, add_up([device], NOW, timeouts).deadline)
        self.assertEqual(UNAVAILABLE, stands(put(device, UNAVAILABLE, NOW), NOW))

    def test_thresholds_are_given(self) -> None:
        """Idle, connected and busy times are values that are passed in (B-54)."""
        timeouts = Timeouts(sync_online=SECOND, idle=MINUTE, busy_online=2 * SECOND)
        online, busy = put(UNKNOWN, ONLINE, NOW), put(UNKNOWN, BUSY, NOW)
        self.assertEqual(OFFLINE, stands(online, NOW + SECOND, timeouts))
        self.assertEqual(BUSY, stands(busy, NOW + SECOND, timeouts))
        self.assertEqual(OFFLINE, stands(busy, NOW + 2 * SECOND, timeouts))
        open_poll = poll(UNKNOWN, None, NOW)
        self.assertEqual(UNAVAILABLE, stands(open_poll, NOW + MINUTE, timeouts))

    def test_the_thresholds_by_default(self) -> None:
        """They are 60 s, 30 s, 5 min, 1 h and 30 min (B-54)."""
        self.assertEqual(
            Timeouts(60_000, 30_000, 300_000, 3_600_000, 1_800_000), TIMEOUTS
        )


class DeadlineTests(TestCase):
    """When to look again."""

    @given(devices(), times, st.data())
    def test_nothing_changes_before_the_deadline(
        self, device: Device, later: int, data: st.DataObject
    ) -> None:
        """Until it comes, a device contributes the same at any time (B-40, B-46)."""
        now = NOW + later
        deadline = add_up([device], now, TIMEOUTS).deadline
        until = deadline - 1 if deadline else now + 100 * HOUR
        between = data.draw(st.integers(now, max(now, until)))
        self.assertEqual(stands(device, now), stands(device, between))

    @given(devices(), times)
    def test_a_deadline_lies_ahead(self, device: Device, later: int) -> None:
        """What has passed is no deadline: nobody is looked at again for nothing."""
        now = NOW + later
        deadline = add_up([device], now, TIMEOUTS).deadline
        if deadline:
            self.assertGreater(deadline, now)
            self.assertNotEqual(stands(device, now), stands(device, deadline))
