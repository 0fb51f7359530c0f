"""The Synapse module: takes over the presence of a Synapse it is configured in.

    modules:
      - module: matrix_presence.synapse.PresenceModule
        config: {}

Nothing outside of this package imports Synapse.
"""

from matrix_presence.synapse.module import PresenceModule

__all__ = ["PresenceModule"]
