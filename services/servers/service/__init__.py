"""gRPC in: authorise, load, decide, commit, wait until it is applied and published, answer."""
