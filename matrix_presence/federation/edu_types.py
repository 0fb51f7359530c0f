"""Whether another server wants presence at all (MSC4373).

A server may say which types of EDU it ignores. It is asked before it is sent presence,
once in a day or a week, and most servers do not know the question.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from matrix_presence.federation.client import (
    BadAnswer,
    FederationClient,
    Refused,
)
from matrix_presence.wire.edu import EDU_TYPE

EDU_TYPES_PATH = "/_matrix/federation/unstable/io.fsky.vel/edutypes"

#: ms for which an answer counts at most, and when it does not say.
_WEEK = 7 * 24 * 3_600_000
#: ms for which it counts at least, and until a server is asked again that knows no such
#: question.
_SHORTEST = 60_000
_DAY = 24 * 3_600_000
#: ms until a server is asked again that could not answer just then.
_SOON = 600_000
#: Servers whose answers are remembered.
_MOST = 10_000


class EduTypes:
    """The answers of other servers.

    Args:
        now: the time, epoch ms.
    """

    def __init__(self, client: FederationClient, now: Callable[[], int]) -> None:
        self._client = client
        self._now = now
        #: By name, those asked last at the end: whether it wants presence, and until
        #: when that counts (epoch ms).
        self._answers: OrderedDict[str, tuple[bool, int]] = OrderedDict()

    def is_sure(self, server_name: str) -> bool:
        """Whether it is known without asking that this server wants presence."""
        wants, until = self._answers.get(server_name, (False, 0))
        return wants and until > self._now()

    async def unwanted_until(self, server_name: str) -> int:
        """Until when this server wants no presence (epoch ms); 0 if it does.

        Raises:
            Unreachable: it does not answer, to this or to anything.
        """
        now = self._now()
        wants, until = self._answers.get(server_name, (True, 0))
        if until <= now:
            wants, valid_for = await self._ask(server_name)
            until = now + min(max(valid_for, _SHORTEST), _WEEK)
            self._answers[server_name] = wants, until
            self._answers.move_to_end(server_name)
            if len(self._answers) > _MOST:
                self._answers.popitem(last=False)
        return 0 if wants else until

    async def _ask(self, server_name: str) -> tuple[bool, int]:
        try:
            answer, max_age = await self._client.get_cacheable(
                server_name, EDU_TYPES_PATH
            )
        except Refused as refusal:
            return True, _SOON if refusal.status in (429, *range(500, 600)) else _DAY
        except BadAnswer:
            return True, _DAY
        return answer.get(EDU_TYPE) is not False, _WEEK if max_age is None else max_age
