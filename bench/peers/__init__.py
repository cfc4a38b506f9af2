"""Who is measured: one module for each, whose `Peer` runs the workloads it has."""
