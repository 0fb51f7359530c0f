"""The columns of users and devices, against a dict of dicts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from matrix_presence.cache.devices import NO_ROW, Devices
from matrix_presence.cache.users import Users
from matrix_presence.rules.devices import UNKNOWN, Device
from matrix_presence.rules.profiles import NO_PROFILE, Profile
from tests.base import TestCase

IDS = ("D1", "D2", "D3", "")
users = st.integers(0, 3)
some_device = st.builds(
    Device,
    presence=st.integers(0, 4),
    hold=st.integers(0, 3),
    available=st.integers(0, 4),
    last_active_ts=st.integers(0, 2**53),
    last_seen_ts=st.integers(0, 2**53),
    syncing=st.integers(0, 1000),
)
steps = st.lists(
    st.tuples(
        st.sampled_from(("put", "put", "forget")),
        users,
        st.sampled_from(IDS),
        some_device,
    ),
    max_size=60,
)


class DevicesTests(TestCase):
    """Chains of rows."""

    def setUp(self) -> None:
        """Users without devices."""
        self.devices = self.fresh()

    def fresh(self) -> Devices:
        """The devices of four users; none yet."""
        known = Users("hs")
        for user in range(4):
            known.intern(f"@u{user}:hs")
        return Devices(known)

    @given(steps)
    def test_it_holds_what_a_dict_of_dicts_would(
        self, ops: list[tuple[str, int, str, Device]]
    ) -> None:
        """Each user has the devices last written, whosever rows those were before."""
        devices = self.fresh()
        expected: dict[int, dict[str, Device]] = {user: {} for user in range(4)}
        for kind, user, device_id, device in ops:
            row = devices.find(user, device_id)
            self.assertEqual(device_id in expected[user], row != NO_ROW)
            if kind == "put":
                expected[user][device_id] = device
                if row == NO_ROW:
                    row = devices.add(user, device_id, device)
                else:
                    devices.write(row, device)
                self.assertEqual(device, devices.read(row))
            elif row != NO_ROW:
                del expected[user][device_id]
                devices.forget(user, row)
            for one, of_one in expected.items():
                held = {devices.id_of(r): devices.read(r) for r in devices.rows(one)}
                self.assertEqual(of_one, held)
                self.assertEqual(sorted(of_one.values()), sorted(devices.of(one)))
            self.assertEqual(sum(map(len, expected.values())), devices.count)

    def test_rows_are_used_again(self) -> None:
        """As many rows are held as there were devices at once."""
        for turn in range(100):
            row = self.devices.add(turn % 4, f"D{turn}", UNKNOWN)
            self.devices.forget(turn % 4, row)
        self.assertEqual(1, len(self.devices.ids) - 1)
        self.assertEqual(0, self.devices.count)

    def test_a_row_with_an_open_sync_is_not_used_again(self) -> None:
        """Who logs out while syncing keeps the row until that sync ends (B-52)."""
        row = self.devices.add(0, "D", UNKNOWN._replace(syncing=1))
        self.devices.forget(0, row)
        self.assertEqual([], self.devices.of(0))
        self.assertNotEqual(row, self.devices.add(1, "D", UNKNOWN))
        self.devices.free(row)
        self.assertEqual(row, self.devices.add(2, "D", UNKNOWN))

    def test_the_row_in_hand_may_be_forgotten(self) -> None:
        """Walking the devices of a user survives forgetting each of them."""
        for device_id in IDS:
            self.devices.add(0, device_id, UNKNOWN)
        for row in self.devices.rows(0):
            self.devices.forget(0, row)
        self.assertEqual([], self.devices.of(0))

    def test_columns_grow(self) -> None:
        """Thousands of devices each stay what they are."""
        for number in range(3000):
            device = UNKNOWN._replace(last_active_ts=number)
            self.devices.add(number % 4, str(number), device)
        row = self.devices.find(2999 % 4, "2999")
        self.assertEqual(2999, self.devices.read(row).last_active_ts)
        self.assertEqual(3000, self.devices.count)


class UsersTests(TestCase):
    """Dense indices and their columns."""

    @given(st.lists(st.text("ab", min_size=1, max_size=2), max_size=30))
    def test_a_user_has_one_index(self, names: list[str]) -> None:
        """Indices are handed out in the order of first sight, without gaps."""
        known, expected = Users("hs"), list[str]()
        for name in names:
            user_id = f"@{name}:hs"
            if user_id not in expected:
                self.assertIsNone(known.find(user_id))
                expected.append(user_id)
            self.assertEqual(expected.index(user_id), known.intern(user_id))
            self.assertEqual(expected.index(user_id), known.find(user_id))
        self.assertEqual(expected, known.ids)
        self.assertEqual(len(expected), len(known))

    def test_a_new_user_is_offline_and_unknown(self) -> None:
        """Nothing is known of a user at first sight, however many there are."""
        known = Users("hs")
        for number in range(2500):
            user = known.intern(f"@u{number}:hs")
            self.assertEqual(0, known.presence(user))
            self.assertEqual(0, known.last_active_ts[user])
            self.assertEqual(NO_ROW, known.first_device[user])
            self.assertIsNone(known.status_msg[user])
            self.assertEqual(NO_PROFILE, known.profile(user))
            known.show(user, 2, False)
            known.last_active_ts[user] = number
        self.assertEqual(2499, known.last_active_ts[2499])

    def test_users_of_this_server_are_local(self) -> None:
        """Where a user lives is in their id, port included."""
        known = Users("hs:8448")
        self.assertTrue(known.is_local[known.intern("@a:hs:8448")])
        self.assertFalse(known.is_local[known.intern("@a:hs")])
        self.assertFalse(known.is_local[known.intern("@a:other")])

    def test_a_profile_is_held_for_those_who_have_one(self) -> None:
        """The profile last heard is the one that is shown (D-5)."""
        known = Users("hs")
        user = known.intern("@a:hs")
        known.profiles[user] = Profile("A", None)
        self.assertEqual("A", known.profile(user).displayname)
