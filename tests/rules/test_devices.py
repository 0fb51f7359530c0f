"""What one device says, and what follows from it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from matrix_presence.rules.devices import (
    UNKNOWN,
    Device,
    Hold,
    is_connected,
    status_set,
    synced,
    timed_out,
    was_active,
)
from matrix_presence.rules.states import IDLING, PRESENCES, Presence, availability
from matrix_presence.rules.timeouts import Timeouts
from matrix_presence.rules.users import add_up
from tests.base import TestCase
from tests.rules.test_states import UPWARDS

OFFLINE, UNAVAILABLE, ONLINE, FREE_FOR_CHAT, BUSY = Presence

NOW = 1_790_000_000_000
SECOND, MINUTE, HOUR = 1000, 60_000, 3_600_000
TIMEOUTS = Timeouts()


def stands(device: Device, now: int, timeouts: Timeouts = TIMEOUTS) -> int:
    """The presence of a user who has this device alone."""
    return add_up([device], now, timeouts).presence


def put(device: Device, presence: int, now: int, *, kept: bool = False) -> Device:
    """The device after a PUT."""
    return status_set(device, presence, now, TIMEOUTS, kept=kept)


def sync(device: Device, stated: int | None, now: int) -> Device:
    """The device after a sync that returned at once."""
    after = synced(device, stated, now, TIMEOUTS)
    return after._replace(syncing=device.syncing)


def poll(device: Device, stated: int | None, now: int) -> Device:
    """The device while a sync is open."""
    return synced(device, stated, now, TIMEOUTS)


def act(device: Device, now: int) -> Device:
    """The device after a message."""
    return was_active(device, now, TIMEOUTS)


def left(device: Device, now: int) -> Device | None:
    """What is kept of the device when its time is looked at."""
    return timed_out(device, now, TIMEOUTS)


states = st.sampled_from(PRESENCES)
#: What clients can say by `set_presence`.
stated = st.sampled_from((None, OFFLINE, UNAVAILABLE, ONLINE))
times = st.integers(0, 2 * HOUR)


@st.composite
def devices(draw: st.DrawFn) -> Device:
    """A device after anything that can happen to one; the last of it before NOW."""
    device, now = UNKNOWN, NOW - 10 * HOUR
    for _ in range(draw(st.integers(0, 6))):
        now = min(NOW, now + draw(times))
        kind = draw(st.sampled_from(("put", "sync", "poll", "act", "kept")))
        if kind == "put":
            device = put(device, draw(states), now)
        elif kind == "kept":
            device = put(device, draw(states), now, kept=True)
        elif kind == "sync":
            device = sync(device, draw(stated), now)
        elif kind == "poll" and draw(stated) != OFFLINE:
            device = poll(device, draw(st.sampled_from((None, ONLINE))), now)
        else:
            device = act(device, now)
    return device


class StatusTests(TestCase):
    """Setting a status."""

    def test_a_status_is_what_the_device_then_states(self) -> None:
        """Each state can be set, also unavailable by hand (B-3, B-41)."""
        for state in PRESENCES:
            self.assertEqual(state, stands(put(UNKNOWN, state, NOW), NOW))

    def test_the_six_ways_up_bump_the_last_activity(self) -> None:
        """Each raise of availability is a pro-active event (B-14, B-16)."""
        for before, after in UPWARDS:
            device = put(put(UNKNOWN, before, NOW), after, NOW + SECOND)
            self.assertEqual(NOW + SECOND, device.last_active_ts, (before, after))

    def test_the_six_ways_down_do_not(self) -> None:
        """No lowering of availability is activity (B-15, B-16)."""
        for after, before in UPWARDS:
            device = put(put(UNKNOWN, before, NOW), after, NOW + SECOND)
            self.assertEqual(NOW, device.last_active_ts, (before, after))

    def test_raising_to_unavailable_does_not_make_online(self) -> None:
        """Offline to unavailable is activity, and still unavailable (X-4)."""
        device = put(UNKNOWN, UNAVAILABLE, NOW)
        self.assertEqual(NOW, device.last_active_ts)
        self.assertEqual(UNAVAILABLE, stands(device, NOW))

    def test_online_once_more_bumps(self) -> None:
        """A status that repeats online is activity (B-16, X-4)."""
        device = put(put(UNKNOWN, ONLINE, NOW), ONLINE, NOW + SECOND)
        self.assertEqual(NOW + SECOND, device.last_active_ts)

    def test_online_from_idle_bumps(self) -> None:
        """Who had become idle and says online is active (B-13)."""
        idle = poll(UNKNOWN, None, NOW)
        later = NOW + 10 * MINUTE
        self.assertEqual(UNAVAILABLE, stands(idle, later))
        self.assertEqual(ONLINE, stands(put(idle, ONLINE, later), later))

    @given(devices(), states, times)
    def test_a_status_can_always_be_set(
        self, device: Device, state: Presence, later: int
    ) -> None:
        """Whatever was before, a status that is set holds at that moment (B-43)."""
        now = NOW + later
        self.assertEqual(state, stands(put(device, state, now), now))

    @given(devices(), states, times)
    def test_a_lowering_status_never_bumps(
        self, device: Device, state: Presence, later: int
    ) -> None:
        """Whatever was before, less availability is no activity (B-15)."""
        now = NOW + later
        # What was kept for an application service may be older than idle: online
        # after it would have passed already.
        begins_anew = device.hold == Hold.KEPT and state in IDLING
        if availability(state) < availability(stands(device, now)) and not begins_anew:
            after = put(device, state, now)
            self.assertEqual(device.last_active_ts, after.last_active_ts)


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
        """After activity a device is online or better, or adds nothing (B-42)."""
        now = NOW + later
        after = act(device, now)
        if stands(after, now) == OFFLINE:
            self.assertEqual(device.last_active_ts, after.last_active_ts)
        else:
            self.assertGreaterEqual(stands(after, now), ONLINE)
            self.assertEqual(now, after.last_active_ts)


class HidingTests(TestCase):
    """A status of offline."""

    def test_it_holds_over_default_syncs(self) -> None:
        """A sync that does not say online does not end it (B-47)."""
        device = put(put(UNKNOWN, ONLINE, NOW), OFFLINE, NOW)
        for said in (None, UNAVAILABLE, OFFLINE):
            device = sync(device, said, NOW + SECOND)
            self.assertEqual(OFFLINE, stands(device, NOW + SECOND))

    def test_a_sync_that_says_online_ends_it(self) -> None:
        """`set_presence=online` in so many words is an edge (B-47)."""
        device = sync(put(UNKNOWN, OFFLINE, NOW), ONLINE, NOW + SECOND)
        self.assertEqual(ONLINE, stands(device, NOW + SECOND))
        self.assertEqual(NOW + SECOND, device.last_active_ts)

    def test_another_status_ends_it(self) -> None:
        """The next status that is not offline ends it (B-47)."""
        for state in (UNAVAILABLE, ONLINE, FREE_FOR_CHAT, BUSY):
            device = put(put(UNKNOWN, OFFLINE, NOW), state, NOW + 1)
            self.assertEqual(state, stands(device, NOW + 1))

    @given(devices(), st.lists(st.tuples(times, st.sampled_from("nuoa")), max_size=8))
    def test_nothing_else_ends_it(
        self, device: Device, happens: list[tuple[int, str]]
    ) -> None:
        """However much is done and whatever time passes, hidden is hidden (B-47)."""
        now = NOW
        device = put(device, OFFLINE, now)
        active = device.last_active_ts
        for later, what in happens:
            now += later
            said = {"n": None, "u": UNAVAILABLE, "o": OFFLINE}
            device = act(device, now) if what == "a" else sync(device, said[what], now)
            self.assertEqual(OFFLINE, stands(device, now))
            self.assertIsNotNone(left(device, now))
        self.assertEqual(active, device.last_active_ts)


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
