"""The grammar of HTTP/1.1 heads as compiled patterns, one rule each, with its source.

Every quantifier that can be is possessive (``*+``): no input makes them backtrack, so
a head costs time in proportion to its length and no more.
"""

import re
from collections.abc import Iterable

# RFC 9110 5.6.2: token = 1*tchar
TCHAR = rb"!#$%&'*+\-.^_`|~0-9A-Za-z"
TOKEN = rb"[" + TCHAR + rb"]"

# RFC 9112 2.3 and 3: method SP request-target SP HTTP-version. The target is any run of
# visible ASCII without "#"; its form is looked at later. Versions: HTTP-RULES.md.
REQUEST_LINE = re.compile(rb"(" + TOKEN + rb"++) ([\x21\x22\x24-\x7e]++) HTTP/1\.([0-9])\r\n")

# RFC 9112 4: the reason phrase and even the blank before it may be missing in the field.
STATUS_LINE = re.compile(rb"HTTP/1\.([0-9]) ([1-5][0-9][0-9])(?: ([\t\x20-\x7e\x80-\xff]*+))?\r\n")

# RFC 9112 5: field-name ":" OWS field-value OWS CRLF. No blank before the colon, no folded
# line, no control byte but TAB: all of them are ways to make two parsers disagree.
# Before 3.11.5 Python stays where a possessive group failed half way (gh-106052). No block can
# end there: a block ends with CRLF, and the group's last bytes are those.
FIELD_BLOCK = re.compile(rb"(?:" + TOKEN + rb"++:[\t\x20-\x7e\x80-\xff]*+\r\n)*+\Z")
FIELD_LINE = re.compile(rb"(" + TOKEN + rb"++):[\t ]*+([^\r\n]*+)\r\n")

# RFC 9110 7.2 and RFC 3986 3.2: uri-host [":" port]; userinfo is refused, and so is a comma:
# whoever joins repeated fields would make one Host of two. Group 1 is an IPv6 address.
AUTHORITY = re.compile(
    rb"(?:\[([0-9A-Fa-f:.]++)\]|(?:[A-Za-z0-9\-._~!$&'()*+;=]|%[0-9A-Fa-f]{2})++)"
    rb"(?::([0-9]{1,5}+)?)?\Z"
)

# RFC 9110 8.6, with room for no more than fits a signed 64-bit number.
CONTENT_LENGTH = re.compile(rb"[0-9]{1,18}\Z")

# A line feed without its carriage return, or a carriage return without its line feed.
BARE_LINE_END = re.compile(rb"(?<!\r)\n|\r(?!\n|\Z)")

REQUEST_ID = re.compile(rb"[A-Za-z0-9._\-]{8,128}\Z")


def any_case(word: bytes) -> bytes:
    """The pattern that matches ``word`` in any case.

    Character classes instead of re.IGNORECASE: the engine then skips an alternative by
    its first character, which makes a search for thirty names three times faster.
    """
    out = b""
    for letter in word.decode("ascii"):
        out += (
            f"[{letter.upper()}{letter.lower()}]".encode()
            if letter.isalpha()
            else (re.escape(letter.encode()))
        )
    return out


def line_named(
    names: Iterable[bytes], prefixes: Iterable[bytes] = (), extra: bytes = b""
) -> re.Pattern[bytes]:
    """A pattern that finds, in a valid field block, each line with one of these names.

    The block must be searched with a line feed before it: the pattern begins with that
    literal, which the engine looks for at the speed of memchr. Group 1 is the name,
    group 2 the value with the blanks around it still there at its end. The line's CRLF
    is looked at, not taken, so that the next line's search finds its line feed.
    """
    alternatives = [any_case(name) for name in names]
    alternatives += [any_case(prefix) + TOKEN + rb"*+" for prefix in prefixes]
    if extra:
        alternatives.append(extra)
    return re.compile(rb"\n(" + rb"|".join(alternatives) + rb"):[\t ]*+([^\r\n]*+)\r(?=\n)")


# A name with an underscore: CGI and WSGI cannot tell it from the one with a hyphen.
UNDERSCORED = rb"[!#$%&'*+\-.^`|~0-9A-Za-z]*+_" + TOKEN + rb"*+"
