"""What a person at the command line is told when something cannot be done."""


class UserError(Exception):
    """Printed without a stack trace: what is wrong, and what to do about it. The command exits with 1."""
