"""Finds passages: knows texts, vectors and files; nothing of answers or HTTP."""
