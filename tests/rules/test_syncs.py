"""What syncs and messages do to a device."""

from __future__ import annotations

from hypothesis import given

from matrix_presence.rules.devices import (
    UNKNOWN,
    Device,
    Hold,
    is_connected,
    was_active,
)
from matrix_presence.rules.states import Presence
from tests.base import TestCase
from tests.rules.happening import (
    HOUR,
    MINUTE,
    NOW,
    SECOND,
    TIMEOUTS,
    act,
    devices,
    poll,
    put,
    stands,
    sync,
    times,
)

OFFLINE, UNAVAILABLE, ONLINE, FREE_FOR_CHAT, BUSY = Presence


class SyncTests(TestCase):
    """What a sync says."""

    def test_a_continued_poll_is_no_activity(self) -> None:
        """Polling on in the same state never bumps (B-18, B-45)."""
        for said in (None, ONLINE):
            device = sync(UNKNOWN, said, NOW)
            device = sync(device, said, NOW + 10 * SECOND)
            self.assertEqual(NOW, device.last_active_ts)

    def test_a_continued_poll_does_not_undo_idling(self) -> None:
        """Whoever has become idle stays so while their client polls (B-45)."""
        device = poll(UNKNOWN, None, NOW)
        later = NOW + 6 * MINUTE
        for said in (None, ONLINE):
            self.assertEqual(UNAVAILABLE, stands(sync(device, said, later), later))

    def test_coming_online_is_an_edge(self) -> None:
        """A sync of a device that was away makes it online and active (B-45)."""
        for said in (None, ONLINE):
            device = sync(UNKNOWN, said, NOW)
            self.assertEqual(ONLINE, stands(device, NOW))
            self.assertEqual(NOW, device.last_active_ts)

    def test_leaving_unavailable_is_an_edge(self) -> None:
        """A sync after an explicit unavailable makes the device active (B-45)."""
        for said in (None, ONLINE):
            for away in (sync, put):
                device = away(sync(UNKNOWN, None, NOW), UNAVAILABLE, NOW)
                device = sync(device, said, NOW + SECOND)
                self.assertEqual(ONLINE, stands(device, NOW + SECOND))
                self.assertEqual(NOW + SECOND, device.last_active_ts)

    def test_unavailable_is_honoured_at_once(self) -> None:
        """A client that says it is idle is (B-41, B-43)."""
        device = sync(sync(UNKNOWN, None, NOW), UNAVAILABLE, NOW + SECOND)
        self.assertEqual(UNAVAILABLE, stands(device, NOW + SECOND))
        self.assertEqual(NOW, device.last_active_ts)

    def test_offline_neither_hides_nor_extends(self) -> None:
        """`set_presence=offline` leaves what is seen, and keeps it no longer (A-82)."""
        device = sync(sync(UNKNOWN, None, NOW), OFFLINE, NOW + 20 * SECOND)
        self.assertEqual(ONLINE, stands(device, NOW + 30 * SECOND - 1))
        self.assertEqual(OFFLINE, stands(device, NOW + 30 * SECOND))

    def test_only_offline_syncs_suppress(self) -> None:
        """What a device does that only syncs as offline does not show (B-47)."""
        device = act(sync(UNKNOWN, OFFLINE, NOW), NOW + SECOND)
        self.assertEqual(OFFLINE, stands(device, NOW + SECOND))
        self.assertEqual(0, device.last_active_ts)

    def test_any_other_sync_ends_suppression_by_syncs(self) -> None:
        """It ends with the first sync that does not say offline (A-82, B-47)."""
        for said, state in (
            (None, ONLINE),
            (ONLINE, ONLINE),
            (UNAVAILABLE, UNAVAILABLE),
        ):
            device = sync(sync(UNKNOWN, OFFLINE, NOW), said, NOW + SECOND)
            self.assertEqual(state, stands(device, NOW + SECOND))

    def test_a_sync_does_not_clear_busy(self) -> None:
        """Only a status ends busy (B-50)."""
        device = put(UNKNOWN, BUSY, NOW)
        for said in (None, ONLINE, UNAVAILABLE):
            self.assertEqual(BUSY, stands(sync(device, said, NOW + 1), NOW + 1))
        self.assertEqual(ONLINE, stands(put(device, ONLINE, NOW + 1), NOW + 1))

    def test_a_continued_poll_does_not_end_free_for_chat(self) -> None:
        """A client of today polls on with online: no choice against it (B-49)."""
        device = put(UNKNOWN, FREE_FOR_CHAT, NOW)
        for said in (None, ONLINE):
            self.assertEqual(
                FREE_FOR_CHAT, stands(sync(device, said, NOW + 1), NOW + 1)
            )

    @given(devices(), times)
    def test_a_default_sync_connects_whoever_does_not_hide(
        self, device: Device, later: int
    ) -> None:
        """After a sync nobody is offline but those who set that status (A-80)."""
        now = NOW + later
        after = poll(device, None, now)
        if stands(after, now) == OFFLINE:
            self.assertEqual(OFFLINE, device.presence)

    @given(devices(), times)
    def test_a_sync_that_says_online_reveals(self, device: Device, later: int) -> None:
        """`set_presence=online` ends every hiding but an application service's."""
        now = NOW + later
        if not is_connected(device._replace(last_seen_ts=0, syncing=0), now, TIMEOUTS):
            self.assertNotEqual(OFFLINE, stands(poll(device, ONLINE, now), now))


class ActivityTests(TestCase):
    """Messages, receipts, typing."""

    def test_a_message_is_activity(self) -> None:
        """A pro-active event is the new last activity (B-10, B-12)."""
        device = act(poll(UNKNOWN, None, NOW), NOW + MINUTE)
        self.assertEqual(NOW + MINUTE, device.last_active_ts)

    def test_activity_ends_unavailable(self) -> None:
        """It makes online, also after a manual unavailable (B-42)."""
        for away in (sync, put):
            device = act(away(UNKNOWN, UNAVAILABLE, NOW), NOW + SECOND)
            self.assertEqual(ONLINE, stands(device, NOW + SECOND))

    def test_activity_without_a_connection_is_online_for_a_while(self) -> None:
        """Whoever only sends is online for the time of a contact (B-48, X-15)."""
        device = act(UNKNOWN, NOW)
        self.assertEqual(ONLINE, stands(device, NOW + 30 * SECOND - 1))
        self.assertEqual(OFFLINE, stands(device, NOW + 30 * SECOND))

    def test_activity_without_a_connection_can_count_for_nothing(self) -> None:
        """With another setting a device that is not connected stays so (B-48)."""
        device = was_active(UNKNOWN, NOW, TIMEOUTS, when_disconnected=False)
        self.assertEqual(UNKNOWN, device)

    def test_activity_does_not_reveal(self) -> None:
        """Who set offline stays hidden whatever they do (B-47, X-15)."""
        device = put(put(UNKNOWN, ONLINE, NOW), OFFLINE, NOW + 1)
        for later in (1, SECOND, HOUR):
            device = act(device, NOW + later)
            self.assertEqual(OFFLINE, stands(device, NOW + later))
            self.assertEqual(NOW, device.last_active_ts)

    @given(devices(), times)
    def test_whoever_is_active_is_online_or_hidden(
        self, device: Device, later: int
    ) -> None:
        """Activity makes online or better, or it is of a device that hides (B-42)."""
        now = NOW + later
        after = act(device, now)
        if device.hold in (Hold.HIDDEN_BY_SYNC, Hold.HIDDEN_BY_STATUS):
            self.assertEqual(device, after)
        else:
            self.assertGreaterEqual(stands(after, now), ONLINE)
            self.assertEqual(now, after.last_active_ts)
