"""The provider's pages."""

from html import escape

from services.users.page import page


def _hidden(name: str, value: str) -> str:
    return f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'


def _alert(error: str) -> tuple[str, str]:
    """What is wrong, and the attribute by which a field refers to it."""
    if not error:
        return "", ""
    return f'<p class="error" role="alert" id="error">{escape(error)}</p>', ' aria-describedby="error"'


def sign_in_page(
    *, action: str, csrf: str, forgotten: str, email: str = "", error: str = "", resend_action: str = ""
) -> str:
    """The form. `forgotten`: where to go without the password. `resend_action`, if not empty: offer to send the
    validation link to `email` again."""
    alert, described = _alert(error)
    first, second = ("", " autofocus") if email else (" autofocus", "")
    resend = (
        f'<form method="post" action="{escape(resend_action)}">{_hidden("csrf", csrf)}{_hidden("email", email)}'
        '<button type="submit">Send the link again</button></form>'
        if resend_action
        else ""
    )
    return page(
        "Sign in",
        f'{alert}<form method="post" action="{escape(action)}">{_hidden("csrf", csrf)}'
        '<label for="email">E-mail address</label>'
        f'<input id="email" name="email" type="email" autocomplete="username" required value="{escape(email)}"'
        f"{first}{described}>"
        '<label for="password">Password</label>'
        f'<input id="password" name="password" type="password" autocomplete="current-password" required{second}'
        f"{described}>"
        '<button type="submit">Sign in</button></form>'
        f'<p><a href="{escape(forgotten)}">Forgot your password?</a></p>{resend}',
    )


def code_page(*, action: str, csrf: str, ticket: str, error: str = "") -> str:
    """The second step of a sign-in."""
    alert, described = _alert(error)
    return page(
        "Enter your code",
        f'{alert}<form method="post" action="{escape(action)}">{_hidden("csrf", csrf)}{_hidden("ticket", ticket)}'
        '<label for="otp">Code of your authenticator, or a recovery code</label>'
        '<input id="otp" name="otp" autocomplete="one-time-code" autocapitalize="none" spellcheck="false" required'
        f" autofocus{described}>"
        '<button type="submit">Sign in</button></form>',
    )


def forgotten_password_page(*, action: str, csrf: str) -> str:
    return page(
        "Forgot your password?",
        "<p>We send a link to set a new one.</p>"
        f'<form method="post" action="{escape(action)}">{_hidden("csrf", csrf)}'
        '<label for="email">E-mail address</label>'
        '<input id="email" name="email" type="email" autocomplete="username" required>'
        '<button type="submit">Send the link</button></form>',
    )


def new_password_page(*, action: str, token: str, username: str, error: str = "") -> str:
    alert, described = _alert(error)
    return page(
        "Set a new password",
        f"{alert}<p>For the account <strong>{escape(username)}</strong>.</p>"
        f'<form method="post" action="{escape(action)}">{_hidden("token", token)}'
        '<label for="new_password">New password</label>'
        '<input id="new_password" name="new_password" type="password" autocomplete="new-password" required'
        f"{described}>"
        '<button type="submit">Set the password</button></form>',
    )


def confirm_page(*, action: str, token: str, email: str, username: str) -> str:
    """Asks before a validation link is used: programs that follow the links of a mail must not validate anything."""
    return page(
        "Confirm your address",
        f"<p>The account <strong>{escape(username)}</strong> will belong to <strong>{escape(email)}</strong>.</p>"
        f'<form method="post" action="{escape(action)}">{_hidden("token", token)}'
        '<button type="submit">Confirm</button></form>',
    )


def message_page(title: str, text: str) -> str:
    """A page that only says something, and leads on."""
    return page(title, f'<p>{escape(text)}</p><p><a href="/">Open Beep</a></p>')
