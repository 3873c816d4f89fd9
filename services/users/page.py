"""What all pages of users look like: plain HTML that works without a script, with a keyboard and a screen reader."""

import base64
import hashlib
from html import escape
from typing import Final

# As the web client's (`web/styles/tokens.css`), which these pages interrupt for a moment.
_STYLE: Final = """
:root{color-scheme:light dark;--text:#1b211f;--soft:#4a534e;--ground:#eae7df;--sheet:#fdfcfa;--field:#fff;
--line:#a39f94;--accent:#0e6a5c;--on-accent:#fff;--link:#0b5b4f;--danger:#b02a20;--danger-soft:#fbeae7}
@media(prefers-color-scheme:dark){:root{--text:#e6eae7;--soft:#aab4ae;--ground:#0f1312;--sheet:#181d1c;--field:#212827;
--line:#5d6864;--accent:#63c7b3;--on-accent:#06231d;--link:#84d8c7;--danger:#ff9086;--danger-soft:#38201f}}
*{box-sizing:border-box}
body{font:1rem/1.5 ui-sans-serif,system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;margin:0;min-height:100vh;
padding:1.5rem 1rem;display:grid;place-items:center;color:var(--text);background:var(--ground);overflow-wrap:anywhere}
main{width:100%;max-width:27rem;padding:2rem;border-radius:20px;background:var(--sheet);
box-shadow:0 1px 2px #0001,0 8px 28px #0002}
body.wide{place-items:start center}
body.wide main{max-width:44rem}
.brand{font-weight:700;font-size:1.1rem;letter-spacing:-.02em;color:var(--link);text-decoration:none}
h1{font-size:1.55rem;line-height:1.2;letter-spacing:-.02em;margin:.8rem 0 1rem}
h2{font-size:1.1rem;margin-bottom:0}
p{color:var(--soft)}
a{color:var(--link)}
article{border-top:1px solid var(--line);margin-top:2rem}
article p{margin-top:0}
pre{font:.9rem/1.5 ui-monospace,monospace;white-space:pre-wrap}
label{display:block;margin-top:1rem;font-weight:600;font-size:.85rem;color:var(--soft)}
input{width:100%;padding:.5rem .7rem;margin-top:.3rem;font:inherit;border:1px solid var(--line);border-radius:9px;
color:inherit;background:var(--field)}
button{margin-top:1.4rem;padding:.55rem 1.1rem;font:inherit;font-weight:600;color:var(--on-accent);
background:var(--accent);border:0;border-radius:9px;cursor:pointer}
:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
.error{color:var(--danger);background:var(--danger-soft);border-radius:9px;padding:.6rem .8rem}
"""
STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode("ascii")
"""For the content security policy: this style and no other."""


def page(title: str, body: str, *, wide: bool = False) -> str:
    """The whole document. `body` is HTML already. `wide`: for lines of text rather than for a form."""
    class_ = ' class="wide"' if wide else ""
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)} - Beep</title><style>{_STYLE}</style></head>"
        f'<body{class_}><main><a class="brand" href="/">Beep</a><h1>{escape(title)}</h1>{body}</main></body></html>'
    )
