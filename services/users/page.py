"""What all pages of users look like: plain HTML that works without a script, with a keyboard and a screen reader."""

import base64
import hashlib
from html import escape
from typing import Final

_STYLE: Final = """
:root{color-scheme:light dark;--text:#111;--ground:#fff;--field:#fff;--link:#3a3aa8}
@media(prefers-color-scheme:dark){:root{--text:#eee;--ground:#1b1b20;--field:#26262d;--link:#a9b1ff}}
body{font:1.1rem/1.5 system-ui,sans-serif;max-width:26rem;margin:3rem auto;padding:0 1rem;
color:var(--text);background:var(--ground);overflow-wrap:anywhere}
body.wide{max-width:42rem}
h1{font-size:1.7rem;line-height:1.2}
h2{font-size:1.15rem;margin-bottom:0}
a{color:var(--link)}
article{border-top:1px solid #777;margin-top:2rem}
article p{margin-top:0}
pre{font:.9rem/1.5 ui-monospace,monospace;white-space:pre-wrap}
label{display:block;margin-top:1rem;font-weight:600}
input{box-sizing:border-box;width:100%;padding:.5rem;font:inherit;border:1px solid #777;border-radius:.3rem;
color:inherit;background:var(--field)}
button{margin-top:1.5rem;padding:.6rem 1.2rem;font:inherit;color:#fff;background:#3a3aa8;border:0;border-radius:.3rem}
:focus-visible{outline:3px solid #b35900;outline-offset:2px}
.error{border-left:.3rem solid #c33;padding-left:.8rem}
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
        f"<body{class_}><main><h1>{escape(title)}</h1>{body}</main></body></html>"
    )
