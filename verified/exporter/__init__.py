"""The batching exporter: what decides is pure, threads and sockets are a shell round it."""
