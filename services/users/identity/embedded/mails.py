"""The texts that the embedded provider sends."""

from services.users.mail.ports import Mail


def validation_mail(mail_id: str, *, to: str, username: str, link: str) -> Mail:
    """Asks the owner of the address to open the link. Names the username, so that a link which somebody else asked for
    can be told from one's own."""
    return Mail(
        mail_id,
        to,
        "Confirm your address for Beep",
        f"Hello,\n\nsomebody, hopefully you, signed up for Beep as {username} with this address.\n"
        f"Open this link within 24 hours to make the account work:\n\n{link}\n\n"
        f"If that was not you, or {username} is not the name that you chose, ignore this mail.\n",
    )


def already_registered_mail(mail_id: str, *, to: str) -> Mail:
    """Tells the owner that somebody tried to sign up with their address; the one who tried is not told."""
    return Mail(
        mail_id,
        to,
        "You already have an account at Beep",
        "Hello,\n\nsomebody, perhaps you, tried to sign up for Beep with this address, which already has an account.\n"
        "Nothing was changed. If it was you, sign in instead. If it was not, you need not do anything.\n",
    )
