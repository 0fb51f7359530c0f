"""The small federating server that the federation checks are made from."""
