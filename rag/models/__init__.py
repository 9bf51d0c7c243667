"""The models that ship with Pincite."""
