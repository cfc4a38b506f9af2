"""Side-by-side measurements: the workloads of docs/performance.md, ours and the limit of the machine in one run."""
