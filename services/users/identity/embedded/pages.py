"""The provider's pages."""

from html import escape

from services.users.page import page


def _hidden(name: str, value: str) -> str:
    return f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'


def sign_in_page(*, action: str, csrf: str, email: str = "", error: str = "", resend_action: str = "") -> str:
    """The form. `resend_action`, if not empty: offer to send the validation link to `email` again."""
    alert = f'<p class="error" role="alert" id="error">{escape(error)}</p>' if error else ""
    described = ' aria-describedby="error"' if error else ""
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
        f"{described}>"
        '<label for="password">Password</label>'
        f'<input id="password" name="password" type="password" autocomplete="current-password" required{described}>'
        f'<button type="submit">Sign in</button></form>{resend}',
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
    """A page that only says something."""
    return page(title, f"<p>{escape(text)}</p>")
