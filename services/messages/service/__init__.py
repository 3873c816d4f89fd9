"""gRPC in. Every call goes the same way:

    authorise (one call to authz) → decide (`domain`, pure) → write change and events at once (`store`) → answer

The answer follows the durable write and waits for nobody else: the relay publishes the events right behind it.
`messages`, `reactions` and `read_states` are the servicers; `sending`, `editing`, `pinning` and `removing` do what
changes messages.
"""
