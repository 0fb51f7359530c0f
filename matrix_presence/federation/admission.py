"""Which destinations are sent presence at all.

A destination is left out while it is not admitted here, by configuration, or while it
wants no presence itself (MSC4373). Of one that is left out nothing is kept.
"""

from __future__ import annotations

from collections.abc import Callable

from pyroaring import BitMap

from matrix_presence.cache.servers import Servers


class Admission:
    """The destinations that are left out, as a set.

    Args:
        servers: every destination there is.
    """

    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self._admits: Callable[[str], bool] = lambda name: True
        #: Those that are not admitted: they are sent nothing whatsoever.
        self.refused = BitMap()
        #: By destination that wants no presence: until when (epoch ms).
        self._unwanted: dict[int, int] = {}
        #: Those that are sent no presence, for whatever reason.
        self.closed = BitMap()

    def meet(self, destination: int) -> bool:
        """It was not known before; whether it is admitted."""
        if self._admits(self._servers.names[destination]):
            return True
        self.refused.add(destination)
        self.closed.add(destination)
        return False

    def admit(self, admits: Callable[[str], bool], met: range) -> tuple[BitMap, BitMap]:
        """From now on by this rule.

        Args:
            admits: by the name of a server.
            met: the destinations that have been met already.

        Returns:
            Who is refused from now on, and who is admitted again.
        """
        self._admits = admits
        names, before = self._servers.names, self.refused
        self.refused = BitMap([one for one in met if not admits(names[one])])
        self.closed = self.refused | BitMap(self._unwanted)
        return self.refused - before, before - self.refused

    def unwanted(self, destination: int, until: int) -> None:
        """It wants no presence until then (epoch ms)."""
        self._unwanted[destination] = until
        self.closed.add(destination)

    def unwanted_until(self, destination: int) -> int:
        """Until when it wants no presence (epoch ms); 0 if it does."""
        return self._unwanted.get(destination, 0)

    def ask_again(self, destination: int) -> None:
        """It may want presence again."""
        self._unwanted.pop(destination, None)
        if destination not in self.refused:
            self.closed.discard(destination)
