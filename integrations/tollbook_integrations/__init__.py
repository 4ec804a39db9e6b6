"""Integrations: what Tollbook knows about each SDK and framework."""
