"""Who wakes a worker: adapters of `ports.Engine`."""
