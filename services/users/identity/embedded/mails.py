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


def password_reset_mail(mail_id: str, *, to: str, username: str, link: str) -> Mail:
    """To whoever says that they forgot it."""
    return Mail(
        mail_id,
        to,
        "Set a new password for Beep",
        f"Hello {username},\n\nsomebody, hopefully you, forgot the password of your account at Beep.\n"
        f"Open this link within an hour to set a new one:\n\n{link}\n\n"
        "If that was not you, ignore this mail: your password stays as it is.\n",
    )


def password_changed_mail(mail_id: str, *, to: str, username: str) -> Mail:
    """Tells the owner, who may not be the one who did it."""
    return Mail(
        mail_id,
        to,
        "Your password for Beep was changed",
        f"Hello {username},\n\nthe password of your account at Beep was changed just now.\n"
        'If that was not you, set a new one by "Forgot your password?" on the sign-in page.\n',
    )


def new_address_mail(mail_id: str, *, to: str, username: str, link: str) -> Mail:
    """To the new address, which does not count before the link is followed."""
    return Mail(
        mail_id,
        to,
        "Confirm your new address for Beep",
        f"Hello {username},\n\nyour account at Beep is to have this address from now on.\n"
        f"Open this link within 24 hours to confirm it:\n\n{link}\n\n"
        "If you did not ask for that, ignore this mail.\n",
    )


def address_will_change_mail(mail_id: str, *, to: str, username: str) -> Mail:
    """To the old address, while there is time to object. Does not name the new one."""
    return Mail(
        mail_id,
        to,
        "Your address for Beep is about to change",
        f"Hello {username},\n\nsomebody, hopefully you, asked to give your account at Beep another address.\n"
        "It changes when the link that went there is opened. If that was not you, change your password now.\n",
    )


def address_changed_mail(mail_id: str, *, to: str, username: str) -> Mail:
    """To the address that was."""
    return Mail(
        mail_id,
        to,
        "Your address for Beep has changed",
        f"Hello {username},\n\nyour account at Beep has another address now; this one no longer belongs to it.\n",
    )
