"""Figures of ours beside those of a peer or a floor, from the same run; see README.md."""
