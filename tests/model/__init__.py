"""The rules written again in the plainest way, and the core held against them."""
