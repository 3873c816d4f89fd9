"""The rules of a server: pure functions from a state and a wish to a `Change`, or to a refusal.

`state` has the aggregate, `change` what a rule gives back, `facts` what authz must learn of it; the other modules have
the rules of one noun each. No I/O, no clock, no randomness: ids, codes and the time are arguments.
"""
