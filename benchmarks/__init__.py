"""What `make bench` runs: each figure beside a bare peer, measured in turn as whole processes."""
