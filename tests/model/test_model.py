"""The core does what the rules say, whatever happens in whatever order."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.base import TestCase
from tests.model.machine import CoreMachine

#: Operations in one life of the machine at most; it is a few less as a rule.
STEPS = 50


class ModelTests(TestCase):
    """The core beside the reference."""

    def test_the_core_agrees_with_the_reference(self) -> None:
        """Ten thousand operations, and both say the same of everybody (B-1 to B-54).

        Any other number by `pytest --operations N`, or by the environment
        variable MATRIX_PRESENCE_OPERATIONS.
        """
        operations = int(os.environ.get("MATRIX_PRESENCE_OPERATIONS", "10000"))
        run_state_machine_as_test(
            CoreMachine,
            settings=settings(
                max_examples=max(1, operations // 40),
                stateful_step_count=STEPS,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
