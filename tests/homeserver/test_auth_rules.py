"""What may stand in a room, and what may not, whatever is tried."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from signedjson.key import decode_signing_key_base64
from twisted.internet.task import Clock

from matrix_presence.errors import Forbidden, MatrixError
from matrix_presence.homeserver.auth_rules import auth_keys, authorize, membership_of
from matrix_presence.homeserver.drafts import Draft, Signer
from matrix_presence.homeserver.power_levels import CREATOR_LEVEL, PowerLevels
from matrix_presence.homeserver.room import Room
from matrix_presence.wire.room_versions import ROOM_VERSIONS
from tests.base import TestCase

KEY = decode_signing_key_base64(
    "ed25519", "1", "YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1"
)
ALICE, BOB, CAROL, EVE = "@alice:hs", "@bob:hs", "@carol:hs", "@eve:other"
USERS = (ALICE, BOB, CAROL, EVE)


class Trial:
    """A room to which events are added if the rules allow it."""

    def __init__(self, version: str = "11", **creation: Any) -> None:
        self.version = ROOM_VERSIONS[version]
        self.signer = Signer("hs", KEY, Clock())
        content = {"room_version": version, **creation}
        if not self.version.modern_redaction:
            content["creator"] = ALICE
        create = Draft(ALICE, "m.room.create", content, "")
        first = self.signer.first_event(create, self.version)
        self.room = Room(first.room_id, self.version)
        authorize(first, self.version, {})
        self.room.add(first)

    def add(
        self, sender: str, event_type: str, content: Any, state_key: str | None = None
    ) -> None:
        """Add an event, or raise Forbidden."""
        draft = Draft(sender, event_type, content, state_key)
        event = self.signer.next_event(draft, self.room)
        authorize(event, self.version, self.room.state)
        event.position = len(self.room.timeline) + 1
        self.room.add(event)

    def member(self, sender: str, user_id: str, membership: str, **more: Any) -> None:
        """Add a member event, or raise Forbidden."""
        content = {"membership": membership, **more}
        self.add(sender, "m.room.member", content, user_id)

    def levels(self, sender: str = ALICE, **content: Any) -> None:
        """Add power levels, or raise Forbidden."""
        self.add(sender, "m.room.power_levels", content, "")

    def rule(self, join_rule: str, **more: Any) -> None:
        """Set the join rule."""
        self.add(ALICE, "m.room.join_rules", {"join_rule": join_rule, **more}, "")


def _open(version: str = "11") -> Trial:
    """A public room of Alice."""
    trial = Trial(version)
    trial.member(ALICE, ALICE, "join")
    trial.levels(users={} if version == "12" else {ALICE: 100})
    trial.rule("public")
    return trial


class CreationTests(TestCase):
    """Rule 1, and the first join."""

    def test_every_version_can_be_created(self) -> None:
        """The creator joins first, in every version; nobody else can."""
        for identifier in ROOM_VERSIONS:
            trial = Trial(identifier)
            with self.assertRaises(Forbidden):
                trial.member(BOB, BOB, "join")
            trial.member(ALICE, ALICE, "join")
            self.assertEqual(trial.room.joined, {ALICE})

    def test_a_room_is_created_once(self) -> None:
        """A second create event is refused."""
        trial = _open()
        with self.assertRaises(Forbidden):
            trial.add(ALICE, "m.room.create", {"room_version": "11"}, "")

    def test_bad_additional_creators(self) -> None:
        """In version 12 additional creators are user ids or there is no room."""
        rubbish: Any
        for rubbish in ("@bob:hs", ["bob"], [1], {}):
            with self.assertRaises(Forbidden):
                Trial("12", additional_creators=rubbish)

    def test_unknown_versions(self) -> None:
        """A create event of an unknown version is refused."""
        trial = Trial()
        create = Draft(ALICE, "m.room.create", {"room_version": "x"}, "")
        event = trial.signer.first_event(create, trial.version)
        with self.assertRaises(Forbidden):
            authorize(event, trial.version, {})

    def test_nothing_comes_before_creation(self) -> None:
        """Without a create event in the state nothing is allowed."""
        trial = _open()
        event = trial.room.timeline[-1]
        with self.assertRaises(Forbidden):
            authorize(event, trial.version, {})

    def test_m_federate_keeps_others_out(self) -> None:
        """Users of other servers cannot enter a room that does not federate."""
        closed: dict[str, Any] = {"m.federate": False}
        trial = Trial(**closed)
        trial.member(ALICE, ALICE, "join")
        trial.rule("public")
        with self.assertRaises(Forbidden):
            trial.member(EVE, EVE, "join")
        trial.member(BOB, BOB, "join")


class MembershipTests(TestCase):
    """Rule 5."""

    def test_join_rules(self) -> None:
        """Public lets in all, invite the invited, private nobody."""
        trial = _open()
        trial.member(BOB, BOB, "join")
        trial.rule("invite")
        with self.assertRaises(Forbidden):
            trial.member(CAROL, CAROL, "join")
        trial.member(BOB, CAROL, "invite")
        trial.member(CAROL, CAROL, "join")
        trial.rule("private")
        trial.member(ALICE, EVE, "invite")
        with self.assertRaises(Forbidden):
            trial.member(EVE, EVE, "join")

    def test_nobody_joins_for_another(self) -> None:
        """Sender and state key of a join are the same."""
        with self.assertRaises(Forbidden):
            _open().member(ALICE, BOB, "join")

    def test_knock(self) -> None:
        """Knocking takes the join rule and, from 7 on, a version that knows it."""
        for version, allowed in (("6", False), ("7", True), ("12", True)):
            trial = _open(version)
            trial.rule("knock")
            if allowed:
                trial.member(BOB, BOB, "knock")
                trial.member(ALICE, BOB, "invite")
                trial.member(BOB, BOB, "join")
            else:
                with self.assertRaises(Forbidden):
                    trial.member(BOB, BOB, "knock")
        trial = _open()
        with self.assertRaises(Forbidden):
            trial.member(BOB, BOB, "knock")

    def test_a_knock_can_be_taken_back(self) -> None:
        """Who knocks can leave, and can be turned away."""
        trial = _open()
        trial.rule("knock")
        trial.member(BOB, BOB, "knock")
        trial.member(BOB, BOB, "leave")
        trial.member(BOB, BOB, "knock")
        trial.member(ALICE, BOB, "leave")

    def test_restricted(self) -> None:
        """A member who may invite vouches for a join, from version 8 on."""
        for version in ("8", "10", "11", "12"):
            trial = _open(version)
            trial.rule("restricted")
            via = "join_authorised_via_users_server"
            with self.assertRaises(Forbidden):
                trial.member(BOB, BOB, "join")
            with self.assertRaises(Forbidden):
                trial.member(BOB, BOB, "join", **{via: CAROL})
            trial.member(BOB, BOB, "join", **{via: ALICE})
        trial = _open("7")
        trial.rule("restricted")
        with self.assertRaises(Forbidden):
            trial.member(BOB, BOB, "join", **{via: ALICE})

    def test_restricted_takes_the_signature_of_who_vouches(self) -> None:
        """A member of a server that did not sign cannot be named."""
        trial = _open()
        trial.member(EVE, EVE, "join")
        trial.rule("restricted")
        with self.assertRaises(Forbidden):
            trial.member(BOB, BOB, "join", join_authorised_via_users_server=EVE)

    def test_ban_and_unban(self) -> None:
        """A ban ends a membership and any way back, until someone lifts it."""
        trial = _open()
        trial.member(BOB, BOB, "join")
        with self.assertRaises(Forbidden):
            trial.member(BOB, CAROL, "ban")
        trial.member(ALICE, BOB, "ban")
        for sender, membership in ((BOB, "join"), (BOB, "leave"), (ALICE, "invite")):
            with self.assertRaises(Forbidden):
                trial.member(sender, BOB, membership)
        trial.member(ALICE, BOB, "leave")
        trial.member(BOB, BOB, "join")

    def test_kick_takes_more_power_than_the_other_has(self) -> None:
        """Equals cannot kick or ban each other."""
        trial = _open()
        trial.member(BOB, BOB, "join")
        trial.levels(users={ALICE: 100, BOB: 100})
        for membership in ("leave", "ban"):
            with self.assertRaises(Forbidden):
                trial.member(ALICE, BOB, membership)

    def test_unknown_memberships(self) -> None:
        """Any other membership is refused, whatever its type."""
        rubbish: Any
        for rubbish in ("x", None, 1, [], {}):
            with self.assertRaises(Forbidden):
                _open().member(ALICE, ALICE, rubbish)

    def test_third_party_invites_are_refused(self) -> None:
        """There is no identity server to vouch for them."""
        with self.assertRaises(Forbidden):
            _open().member(ALICE, BOB, "invite", third_party_invite={"signed": {}})


class PowerTests(TestCase):
    """Rules 6 to 11."""

    def test_outsiders_send_nothing(self) -> None:
        """Who is not in the room sends neither messages nor state."""
        trial = _open()
        for key in (None, ""):
            with self.assertRaises(Forbidden):
                trial.add(BOB, "m.room.message", {}, key)

    def test_state_takes_power(self) -> None:
        """Members send messages; state takes level 50 unless said otherwise."""
        trial = _open()
        trial.member(BOB, BOB, "join")
        trial.add(BOB, "m.room.message", {})
        with self.assertRaises(Forbidden):
            trial.add(BOB, "m.room.name", {}, "")
        trial.levels(users={ALICE: 100}, events={"m.room.name": 0})
        trial.add(BOB, "m.room.name", {}, "")

    def test_state_of_a_user(self) -> None:
        """State under someone's user id is theirs alone."""
        trial = _open()
        trial.add(ALICE, "x", {}, ALICE)
        with self.assertRaises(Forbidden):
            trial.add(ALICE, "x", {}, BOB)

    def test_nobody_gives_what_they_have_not(self) -> None:
        """No one raises anything above their level, or touches what is above it."""
        trial = _open()
        trial.member(BOB, BOB, "join")
        base: dict[str, Any] = {"events": {"m.room.power_levels": 50, "high": 90}}
        trial.levels(users={ALICE: 100, BOB: 50, CAROL: 50}, **base)
        for change in (
            {"users": {ALICE: 100, BOB: 51, CAROL: 50}},
            {"users": {ALICE: 99, BOB: 50, CAROL: 50}},
            {"users": {ALICE: 100, BOB: 50, CAROL: 10}},
            {"users": {BOB: 50, CAROL: 50}},
            {"users": {ALICE: 100, BOB: 50, CAROL: 50}, "ban": 51},
            {"users": {ALICE: 100, BOB: 50, CAROL: 50}, "events": {"high": 50}},
            {"users": {ALICE: 100, BOB: 50, CAROL: 50}, "notifications": {"room": 51}},
        ):
            with self.assertRaises(Forbidden):
                trial.levels(BOB, **{**base, **change})
        trial.levels(BOB, users={ALICE: 100, BOB: 40, CAROL: 50}, **base)

    def test_notifications_are_guarded_from_version_6(self) -> None:
        """Up to version 5 anybody who sets levels sets these."""
        for version, guarded in (("5", False), ("6", True)):
            trial = _open(version)
            trial.levels(users={ALICE: 100, BOB: 50}, events={"m.room.power_levels": 0})
            trial.member(BOB, BOB, "join")
            change: dict[str, Any] = {
                "users": {ALICE: 100, BOB: 50},
                "events": {"m.room.power_levels": 0},
                "notifications": {"room": 90},
            }
            if guarded:
                with self.assertRaises(Forbidden):
                    trial.levels(BOB, **change)
            else:
                trial.levels(BOB, **change)

    def test_text_as_power_level(self) -> None:
        """Up to version 9 a level may be text that reads as an integer."""
        _open("9").levels(users={ALICE: "100"}, ban="70")
        bad: Any
        for bad in ({"users": {ALICE: "100"}}, {"ban": "70"}, {"events": {"x": "1"}}):
            with self.assertRaises(Forbidden):
                _open("10").levels(**bad)
        for bad in ({"users": {"x": 1}}, {"users": {ALICE: "x"}}, {"users": []}):
            with self.assertRaises(Forbidden):
                _open("9").levels(**bad)

    def test_creators_stand_above_all_in_version_12(self) -> None:
        """They have no level that could be written down, changed or reached."""
        trial = Trial("12", additional_creators=[BOB])
        trial.member(ALICE, ALICE, "join")
        trial.rule("public")
        trial.member(BOB, BOB, "join")
        trial.member(CAROL, CAROL, "join")
        for creator in (ALICE, BOB):
            with self.assertRaises(Forbidden):
                trial.levels(users={creator: 100})
        trial.levels(users={CAROL: 2**53 - 1})
        with self.assertRaises(Forbidden):
            trial.member(CAROL, BOB, "leave")
        levels = PowerLevels(trial.version, trial.room.state)
        self.assertEqual(levels.of_user(BOB), CREATOR_LEVEL)
        trial.member(BOB, CAROL, "ban")

    def test_without_power_levels(self) -> None:
        """A room without power levels lets members send state; its creator has 100."""
        trial = Trial()
        trial.member(ALICE, ALICE, "join")
        trial.rule("public")
        trial.member(BOB, BOB, "join")
        trial.add(BOB, "m.room.name", {}, "")
        levels = PowerLevels(trial.version, trial.room.state)
        self.assertEqual((levels.of_user(ALICE), levels.of_user(BOB)), (100, 0))

    def test_redaction_is_a_rule_in_versions_1_and_2(self) -> None:
        """There, redacting what another server sent takes the redact level."""
        for version, allowed in (("2", False), ("3", True)):
            trial = _open(version)
            trial.member(BOB, BOB, "join")
            draft = Draft(BOB, "m.room.redaction", {}, redacts="$x:other")
            event = trial.signer.next_event(draft, trial.room)
            if allowed:
                authorize(event, trial.version, trial.room.state)
            else:
                with self.assertRaises(Forbidden):
                    authorize(event, trial.version, trial.room.state)

    def test_aliases_up_to_version_5(self) -> None:
        """A server's users list its aliases without being in the room."""
        _open("5").add(BOB, "m.room.aliases", {}, "hs")
        for version, key in (("5", "other"), ("6", "hs")):
            with self.assertRaises(Forbidden):
                _open(version).add(BOB, "m.room.aliases", {}, key)


class SelectionTests(TestCase):
    """Server-server API, "Auth events selection"."""

    def test_of_a_message(self) -> None:
        """Create event, power levels and the sender; no create event in 12."""
        usual = [("m.room.power_levels", ""), ("m.room.member", ALICE)]
        keys = auth_keys("m.room.message", ALICE, None, {}, ROOM_VERSIONS["12"])
        self.assertEqual(keys, usual)
        keys = auth_keys("m.room.message", ALICE, None, {}, ROOM_VERSIONS["11"])
        self.assertEqual(keys, [("m.room.create", ""), *usual])

    def test_of_a_member(self) -> None:
        """The target, the join rules and who vouches are added."""
        content = {"membership": "join", "join_authorised_via_users_server": BOB}
        version = ROOM_VERSIONS["11"]
        keys = auth_keys("m.room.member", CAROL, CAROL, content, version)
        self.assertIn(("m.room.join_rules", ""), keys)
        self.assertIn(("m.room.member", BOB), keys)
        invite = {"membership": "invite"}
        keys = auth_keys("m.room.member", ALICE, BOB, invite, version)
        self.assertIn(("m.room.member", BOB), keys)


CONTENTS = st.one_of(
    st.fixed_dictionaries(
        {"membership": st.sampled_from(("join", "leave", "ban", "invite", "knock"))}
    ),
    st.fixed_dictionaries(
        {"users": st.dictionaries(st.sampled_from(USERS), st.integers(-1, 101))},
        optional={"ban": st.integers(0, 101), "events_default": st.integers(0, 101)},
    ),
    st.fixed_dictionaries(
        {"join_rule": st.sampled_from(("public", "invite", "knock", "private"))}
    ),
)
ATTEMPTS = st.lists(
    st.tuples(
        st.sampled_from(USERS),
        st.sampled_from(
            ("m.room.member", "m.room.power_levels", "m.room.join_rules", "x")
        ),
        CONTENTS,
        st.sampled_from((None, "", *USERS)),
    ),
    max_size=40,
)


class AnythingTests(TestCase):
    """Whatever is tried, by whomever."""

    @given(ATTEMPTS, st.sampled_from(tuple(ROOM_VERSIONS)))
    def test_no_unauthorised_event_is_accepted(
        self, attempts: list[Any], version: str
    ) -> None:
        """What is accepted comes from one who had the right to it."""
        trial = _open(version)
        for sender, event_type, content, state_key in attempts:
            state = dict(trial.room.state)
            levels = PowerLevels(trial.version, state)
            level, was = levels.of_user(sender), membership_of(sender, state)
            required = levels.to_send(event_type, state=state_key is not None)
            try:
                trial.add(sender, event_type, content, state_key)
            except MatrixError:
                self.assertEqual(trial.room.state, state)
                continue
            if event_type != "m.room.member":
                self.assertEqual(was, "join")
                self.assertGreaterEqual(level, required)
            elif sender == state_key:
                self.assertNotEqual((was, content["membership"]), ("ban", "join"))
                self.assertNotEqual((was, content["membership"]), ("ban", "leave"))
            else:
                self.assertEqual(was, "join")
                self.assertNotIn(content["membership"], ("join", "knock"))
                if content["membership"] in ("ban", "leave"):
                    self.assertGreater(level, levels.of_user(state_key))
            after = PowerLevels(trial.version, trial.room.state)
            for user_id in USERS:
                now, before = after.of_user(user_id), levels.of_user(user_id)
                # A level above one's own is never given, nor taken from another.
                if now > before:
                    self.assertGreaterEqual(level, now)
                if now < before and user_id != sender:
                    self.assertGreaterEqual(level, before)
