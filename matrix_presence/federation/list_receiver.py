"""Takes what other servers say about presence lists.

Everybody may say only what is theirs to say: the observer's server invites, polls and
unpolls, the observed user's accepts and denies (C-26). Whatever comes, nothing raises,
and what does not fit is passed over.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from pyroaring import BitMap

from matrix_presence.cache.interest import visible_to
from matrix_presence.cache.limits import Buckets
from matrix_presence.cache.presence_cache import PresenceCache
from matrix_presence.config import PresenceConfig
from matrix_presence.ids import server_of
from matrix_presence.lists import PresenceLists
from matrix_presence.wire.lists import (
    ACCEPT,
    INVITE,
    Letter,
    is_about_lists,
    parse_letter,
    polled,
)

logger = logging.getLogger(__name__)

_HOUR = 3600


class ListReceiver:
    """Invites, their replies, and who is polled."""

    def __init__(
        self,
        cache: PresenceCache,
        config: PresenceConfig,
        lists: PresenceLists,
        now: Callable[[], int],
    ) -> None:
        self._cache = cache
        self._lists = lists
        self._now = now
        most = config.presence_list_invites_per_hour
        self._limit = Buckets(most / _HOUR, most)
        #: Told which server wants to hear of which of our users at once (C-21).
        self.polled: Callable[[int, BitMap], None] = lambda server, users: None

    def edu_received(self, origin: str, edu: object) -> None:
        """An EDU of this origin; it is passed over if it is about something else."""
        if not is_about_lists(edu) or not self._lists.enabled:
            return
        try:
            self._take(origin, edu)
        except Exception:  # Presence never fails a transaction (C-4).
            logger.exception("An EDU about presence lists could not be taken")

    def _take(self, origin: str, edu: object) -> None:
        letter = parse_letter(edu, origin)
        if letter is None:
            self._take_polls(origin, edu)
        else:
            self._take_letter(origin, letter)

    def _take_polls(self, origin: str, edu: object) -> None:
        polls, unpolls = (self._ours(polled(edu, key)) for key in ("poll", "unpoll"))
        if polls or unpolls:
            self._lists.met_old(origin)
        if polls:
            for user in polls:
                self._lists.polled(origin, user)
            self._poll(origin, polls)
        for user in unpolls:
            self._lists.unpolled(origin, user)

    def _take_letter(self, origin: str, letter: Letter) -> None:
        cache = self._cache
        if letter.edu_type == INVITE:
            is_ours = server_of(letter.observed_id) == cache.users.server_name
            if is_ours and self._is_within_limit(origin):
                self._lists.invited_from_elsewhere(
                    letter.observer_id, letter.observed_id
                )
                self._lists.met_old(origin)
            return
        # Of whom nothing is known there is no entry either.
        observer = cache.users.find(letter.observer_id)
        observed = cache.users.find(letter.observed_id)
        if observer is None or observed is None or not cache.users.is_local[observer]:
            return
        self._lists.met_old(origin)
        if letter.edu_type == ACCEPT:
            self._lists.accepted(observer, observed)
        else:
            self._lists.denied(observer, observed)

    def _is_within_limit(self, origin: str) -> bool:
        server = self._cache.servers.intern(origin)
        return not self._limit.take(server, self._now())

    def _ours(self, user_ids: list[str]) -> BitMap:
        users = self._cache.users
        known = [users.index[one] for one in user_ids if one in users.index]
        return BitMap([user for user in known if users.is_local[user]])

    def _poll(self, origin: str, users: BitMap) -> None:
        """Only what this server may know of (C-22)."""
        server = self._cache.servers.find(origin)
        if server is not None:
            allowed = users & visible_to(self._cache, server)
            if allowed:
                self.polled(server, allowed)
