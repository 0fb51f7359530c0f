"""Reading presence: what one user may see of others, right now.

Everything is composed at the moment of reading from the cache, so a last active time
is always up to date (A-46, B-20) and nothing is kept for a slow reader.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pyroaring import BitMap
from twisted.internet.interfaces import IReactorTime

from matrix_presence.cache.lists import ListNews
from matrix_presence.cache.presence_cache import PresenceCache
from matrix_presence.cache.users import HIDDEN, TOLD
from matrix_presence.config import PresenceConfig
from matrix_presence.rules.states import OFFLINE
from matrix_presence.rules.users import is_currently_active
from matrix_presence.wire.content import (
    MODERN,
    Era,
    era_of,
    event,
    event_id,
    old_event,
    status_content,
    with_profile,
)
from matrix_presence.wire.filters import EVERYTHING, PresenceFilter, only_fields
from matrix_presence.wire.lists import invite_event, listed, observing, pending


class PresenceView:
    """Answers questions about presence, with what the asker may see in mind."""

    def __init__(
        self, clock: IReactorTime, cache: PresenceCache, config: PresenceConfig
    ) -> None:
        self._clock = clock
        self._cache = cache
        self._config = config

    def position(self) -> int:
        """The stream position up to which everything can be read."""
        return self._cache.position

    def era(self, version: str) -> Era:
        """How presence is told to those who come by this version: `r0`, `v3`."""
        config = self._config
        return era_of(
            version,
            raw_on_r0=config.free_for_chat_on_r0 == "raw",
            event_ids=config.synthetic_event_id,
            lists_on_v3=config.presence_lists_on_v3,
        )

    def status(
        self, viewer_id: str, observed_id: str, era: Era = MODERN
    ) -> dict[str, Any] | None:
        """The status of a user as another may see it; None where they may not.

        Nobody can tell by it whether a user exists (A-44, D-32).
        """
        users = self._cache.users
        viewer, observed = users.find(viewer_id), users.find(observed_id)
        if viewer_id == observed_id:
            if observed is None:
                return status_content(OFFLINE, None, None, False)
        elif (
            viewer is None
            or observed is None
            or not self._cache.may_see(viewer, observed)
        ):
            return None
        now = self._now()
        active = is_currently_active(
            users.presence(observed),
            users.last_active_ts[observed],
            now,
            self._config.last_active_granularity,
        )
        return self._content(
            observed, now, active, own=viewer_id == observed_id, era=era
        )

    def events(
        self,
        viewer_id: str,
        since: int | None,
        *,
        full_state: bool = False,
        only: PresenceFilter = EVERYTHING,
        era: Era = MODERN,
    ) -> list[dict[str, Any]]:
        """The `m.presence` events for the presence part of a sync.

        Args:
            since: the position the viewer has seen; None for a first sync.
            full_state: everybody visible, not only who changed (A-89).
        """
        viewer, lists = self._cache.users.intern(viewer_id), self._cache.lists
        about_lists: list[dict[str, Any]] = []
        if lists.used:
            first = since is None or full_state
            about_lists = self._about_lists(viewer, None if first else since, only, era)
        if not only.wanted:
            return about_lists
        if since is None or full_state:
            chosen = self._cache.seen_by(viewer) - self._cache.gone
            if not self._config.include_offline_users_on_sync:
                chosen &= self._cache.present
        else:
            chosen = BitMap()
        if since is not None:
            chosen |= self._changed(viewer, since)
        selected = self._selected(chosen, only)
        return self.rendered(viewer, selected, only, era) + about_lists

    def has_news(
        self, viewer_id: str, since: int, only: PresenceFilter, era: Era
    ) -> bool:
        """Whether `events` would answer any."""
        viewer = self._cache.users.intern(viewer_id)
        if not only.wanted:
            return False
        if self._selected(self._changed(viewer, since), only):
            return True
        if self._cache.lists.log.last <= since:
            return False
        return bool(self._about_lists(viewer, since, only, era))

    def _changed(self, viewer: int, since: int) -> BitMap:
        cache = self._cache
        if since == cache.position:
            return BitMap()
        changed = cache.changed_for(viewer, since)
        # Who has come back under the same name is told of to those who see them now.
        farewells = cache.farewells.since(since, viewer) & cache.gone
        return changed | (farewells - cache.ignored_by(viewer))

    def listed(self, viewer_id: str, era: Era) -> list[dict[str, Any]]:
        """The accepted entries of the viewer's presence list (A-63)."""
        cache = self._cache
        viewer = cache.users.intern(viewer_id)
        observed = cache.lists.accepted.of(viewer) - cache.gone
        events = self.rendered(viewer, observed, EVERYTHING, era)
        return [listed(one) for one in events]

    def pending(
        self, user_id: str, *, inwards: bool, outwards: bool
    ) -> list[dict[str, Any]]:
        """Who waits for this user's answer, and whose answers the user waits for."""
        cache, ids = self._cache, self._cache.users.ids
        user, entries = cache.users.intern(user_id), []
        if inwards:
            for other in cache.lists.pending.by(user) - cache.ignored_by(user):
                entries.append(pending(ids[other], user_id, ids[other]))
        if outwards:
            for other in cache.lists.pending.of(user):
                entries.append(pending(user_id, ids[other], ids[other]))
        return entries

    def observers(self, user_id: str) -> list[dict[str, Any]]:
        """Who has this user on their list with consent, which may be taken back."""
        cache, ids = self._cache, self._cache.users.ids
        user, lists = cache.users.intern(user_id), cache.lists
        observers = lists.accepted.by(user) | lists.resting.by(user)
        return [observing(ids[other], user_id) for other in observers]

    def _about_lists(
        self, viewer: int, since: int | None, only: PresenceFilter, era: Era
    ) -> list[dict[str, Any]]:
        """Who has taken themself from the viewer's sight, and who invites the viewer.

        With no position: all who invite (A-69), and no farewells. Modern clients are
        not told of invites, of which they know nothing (X-3).
        """
        cache, ids = self._cache, self._cache.users.ids
        log, inviting = cache.lists.log, cache.lists.pending.by(viewer)
        events = []
        if since is not None and cache.is_complete(since):
            inviting = inviting & log.since(since, viewer, ListNews.INVITE)
            parted = log.since(since, viewer, ListNews.FAREWELL)
            for user in parted - cache.seen_by(viewer) - cache.ignored_by(viewer):
                if only.allows(ids[user]):
                    # Nothing else of them may be told any more.
                    nothing = status_content(OFFLINE, None, None, False, era)
                    events.append(self._event(user, nothing, era, cache.position))
        if era.has_lists:
            for user in inviting - cache.ignored_by(viewer):
                if only.allows_invite(ids[user]):
                    events.append(invite_event(ids[user], ids[viewer]))
        return [only_fields(one, only.fields) for one in events]

    def _selected(self, chosen: BitMap, only: PresenceFilter) -> list[int]:
        """Those whom the filter lets through, the latest changed if it has a limit."""
        ids = self._cache.users.ids
        selected = list(chosen)
        if only.asks_for_senders:
            selected = [user for user in selected if only.allows(ids[user])]
        if only.limit is not None and len(selected) > only.limit:
            position_of = self._cache.users.position
            selected.sort(key=position_of.__getitem__, reverse=True)
            del selected[only.limit :]
        return selected

    def rendered(
        self, viewer: int, selected: Iterable[int], only: PresenceFilter, era: Era
    ) -> list[dict[str, Any]]:
        """The events of these users for this viewer, who may see them."""
        users, now, contents = self._cache.users, self._now(), era.contents
        ids, profiles = users.ids, users.profiles
        flags_of, last_active_ts = users.flags, users.last_active_ts
        status_msg = users.status_msg
        events: list[dict[str, Any]] = []
        append = events.append
        # The same as `_content`, written out: a first sync goes round thousands of
        # times, and the calls would be half of it.
        for user in selected:
            flags = flags_of[user]
            # Not worked out anew: what was told last is what holds until told
            # otherwise (B-31).
            content = contents[flags & TOLD].copy()
            active_ts = last_active_ts[user]
            if active_ts and (not flags & HIDDEN or user == viewer):
                content["last_active_ago"] = now - active_ts if now > active_ts else 0
            if text := status_msg[user]:
                content["status_msg"] = text
            if profiles and user in profiles:
                with_profile(content, profiles[user])
            append({"type": "m.presence", "sender": ids[user], "content": content})
        if era.is_old:
            for told in events:
                told["content"]["user_id"] = told["sender"]
        if era.has_event_ids:
            for user, told in zip(selected, events, strict=True):
                told["event_id"] = self._event_id(user, users.position[user])
        if only.fields is not None:
            return [only_fields(one, only.fields) for one in events]
        return events

    def _event(
        self, user: int, content: dict[str, Any], era: Era, position: int
    ) -> dict[str, Any]:
        user_id = self._cache.users.ids[user]
        told = (old_event if era.is_old else event)(user_id, content)
        if era.has_event_ids:
            told["event_id"] = self._event_id(user, position)
        return told

    def _event_id(self, user: int, position: int) -> str:
        users = self._cache.users
        return event_id(users.ids[user], position, users.server_name)

    def _content(
        self, user: int, now: int, active: bool, *, own: bool, era: Era
    ) -> dict[str, Any]:
        users = self._cache.users
        presence, last_active_ts = users.presence(user), users.last_active_ts[user]
        # Somebody who hides does not show when they were last here (B-51).
        told = last_active_ts and (own or not users.is_hidden(user))
        return status_content(
            presence,
            users.status_msg[user],
            now - last_active_ts if told else None,
            active,
            era,
        )

    def _now(self) -> int:
        return int(self._clock.seconds() * 1000)
