"""The public wire format: Discord's v10 objects, rendered from the protos in one place.

What `protos/` is between services, this package is between Beep and its clients. It is pure: each module has the
structs of one noun, as https://docs.discord.com/developers documents them and as the clients' libraries need them, and
the functions that make them from a proto. The REST edge answers with them; the services that own a noun write them,
once, as the bodies of their events (docs/adr/0003-wire-contract.md).

Ids are decimal strings. A field without a default is always present; one that defaults to UNSET is left out.
"""
