"""Tollbook: what every LLM call costs, exactly, with one line, without getting in the way."""
