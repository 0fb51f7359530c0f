"""Matrix presence that can stay switched on, for Twisted homeservers."""

__all__ = ["__version__"]

__version__ = "0.1.0"
