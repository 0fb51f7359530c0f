"""How long the target waits before it changes somebody's presence by itself."""

from __future__ import annotations

from enum import StrEnum

import attrs

from matrix_presence.kinds import show_duration


class Timer(StrEnum):
    """The times that servers let pass, by the option of the command that says them."""

    GRANULARITY = "--granularity"
    ONLINE = "--online-timeout"
    IDLE = "--idle-timeout"
    FEDERATION = "--federation-timeout"


@attrs.frozen
class Wait:
    """How long a check waits at most for something that the target does by itself."""

    #: None for a check that waits for nothing of the kind.
    timer: Timer | None = None
    #: In that time.
    times: float = 0.0
    #: Seconds more, whatever the time of the target is.
    more: float = 0.0


NO_WAIT = Wait()


@attrs.frozen
class Timers:
    """The times of the target, in seconds."""

    #: How long after their last activity a user is currently active.
    granularity: float = 60.0
    #: How long after its last sync a device is connected.
    online: float = 30.0
    #: How long after their last activity a user is idle.
    idle: float = 300.0
    #: How long a user of another server stays as they are when nothing more is heard.
    federation: float = 1800.0
    #: The longest that a check may wait.
    patience: float = 90.0
    #: How much later than it says the target may be: Synapse looks every 5 s, at what
    #: was due up to 5 s before.
    slack: float = 12.0

    def of(self, timer: Timer) -> float:
        """The time by that name, in seconds."""
        return {
            Timer.GRANULARITY: self.granularity,
            Timer.ONLINE: self.online,
            Timer.IDLE: self.idle,
            Timer.FEDERATION: self.federation,
        }[timer]

    def seconds(self, wait: Wait) -> float:
        """How long this wait is here, in seconds, at most."""
        if wait.timer is None:
            return wait.more
        return self.of(wait.timer) * wait.times + wait.more + self.slack

    def refusal(self, wait: Wait) -> str | None:
        """Why a check is not done that waits so long; None if it is."""
        seconds = self.seconds(wait)
        if seconds <= self.patience:
            return None
        reason = f"would wait {show_seconds(seconds)}"
        if wait.timer is not None:
            own = show_seconds(self.of(wait.timer))
            reason += f": give {wait.timer} if the target's is shorter than {own}"
        return f"{reason}, or more --patience than {show_seconds(self.patience)}"


def show_seconds(seconds: float) -> str:
    """A duration as one would write it for an option; below 10 s to a tenth."""
    if seconds < 10:
        return f"{seconds:.1f}".removesuffix(".0") + "s"
    minutes, rest = divmod(round(seconds), 60)
    return (
        f"{minutes}m{rest}s"
        if minutes and rest
        else show_duration(rest * 1000 or minutes * 60_000)
    )
