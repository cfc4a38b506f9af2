"""Wiring: settings, addresses, servers. No behaviour, and nobody imports it."""
