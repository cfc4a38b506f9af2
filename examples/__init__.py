"""Workflows that a newcomer runs first, written as a user of the framework would write them."""
