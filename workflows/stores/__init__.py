"""Where promises are kept: in this process's memory, or in PostgreSQL; one protocol for both."""
