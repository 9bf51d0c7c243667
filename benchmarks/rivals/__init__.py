"""Systems that are measured side by side, each a process of its own that speaks `benchmarks.rivals.protocol`.

A rival's module is run by the Python of that rival's environment: it imports the rival, the standard library and the
protocol, and nothing of Pincite.
"""
