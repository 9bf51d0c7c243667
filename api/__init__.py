"""The doors: everything that touches the environment, the terminal or the network."""
