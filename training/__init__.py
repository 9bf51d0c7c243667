"""How the reader is made: labelled questions -> a model folder, and its measures."""
