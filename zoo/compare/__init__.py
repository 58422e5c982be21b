"""Finished runs side by side: what differs, by how much, and whether it can be chance."""
