"""REST for people and integrations, and what the REST interfaces of the other apps share."""
