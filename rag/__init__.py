"""Answers questions from found passages: reading, confidence, verification, evaluation."""
