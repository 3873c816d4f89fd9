"""The provider's pages: plain HTML that works without a script, with a keyboard and with a screen reader."""

import base64
import hashlib
from html import escape
from typing import Final

_STYLE: Final = """
body{font:1.1rem/1.5 system-ui,sans-serif;max-width:26rem;margin:3rem auto;padding:0 1rem;color:#111;background:#fff}
label{display:block;margin-top:1rem;font-weight:600}
input{box-sizing:border-box;width:100%;padding:.5rem;font:inherit;border:1px solid #555;border-radius:.3rem}
button{margin-top:1.5rem;padding:.6rem 1.2rem;font:inherit;color:#fff;background:#3a3aa8;border:0;border-radius:.3rem}
:focus-visible{outline:3px solid #b35900;outline-offset:2px}
.error{border-left:.3rem solid #a00;padding-left:.8rem}
@media(prefers-color-scheme:dark){body{color:#eee;background:#1b1b20}input{color:#eee;background:#26262d}}
"""
STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode("ascii")
"""For the content security policy: this style and no other."""


def _page(title: str, body: str) -> str:
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)} - Beep</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{escape(title)}</h1>{body}</main></body></html>"
    )


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
    return _page(
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
    return _page(
        "Confirm your address",
        f"<p>The account <strong>{escape(username)}</strong> will belong to <strong>{escape(email)}</strong>.</p>"
        f'<form method="post" action="{escape(action)}">{_hidden("token", token)}'
        '<button type="submit">Confirm</button></form>',
    )


def message_page(title: str, text: str) -> str:
    """A page that only says something."""
    return _page(title, f"<p>{escape(text)}</p>")
