"""The ports: one set of tests for each, run on every implementation there is."""
