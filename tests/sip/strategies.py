"""Hypothesis strategies for SIP's grammar: what they make is valid by RFC 3261 §25."""

import string
from typing import Final

from hypothesis import strategies as st

from pbx.sip.headers import CSeq, NameAddr, Via
from pbx.sip.message import Request, Response
from pbx.sip.uri import Uri

TOKEN_CHARACTERS: Final = string.ascii_letters + string.digits + "-.!%*_+`'~"
USER_CHARACTERS: Final = string.ascii_letters + string.digits + "-_.!~*'()&=+$,;?/"

tokens = st.text(TOKEN_CHARACTERS, min_size=1, max_size=12)
lower_tokens = tokens.map(str.lower)
labels = st.from_regex(r"[a-z]([a-z0-9\-]{0,6}[a-z])?", fullmatch=True)
hostnames = st.lists(labels, min_size=1, max_size=4).map(".".join)
ipv4_addresses = st.ip_addresses(v=4).map(str)
ipv6_addresses = st.ip_addresses(v=6).map(str)
hosts = st.one_of(hostnames, ipv4_addresses, ipv6_addresses)
ports = st.one_of(st.none(), st.integers(1, 65535))
escapes = st.integers(0, 255).map(lambda octet: f"%{octet:02X}")
users = st.lists(st.one_of(st.sampled_from(USER_CHARACTERS), escapes), min_size=1, max_size=12).map("".join)
passwords = st.lists(st.one_of(st.sampled_from("abcXYZ019-_.!~*'()&=+$,"), escapes), max_size=6).map("".join)
uri_parameter_texts = st.text(
    string.ascii_lowercase + string.digits + "-_.!~*'()[]/:&+$", min_size=1, max_size=8
)
uri_parameters = st.dictionaries(uri_parameter_texts, st.one_of(st.none(), uri_parameter_texts), max_size=4)
quotable = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=20
)  # quoted-pairs carry everything but CR and LF
quoted_strings = quotable.map(lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"')
header_parameters = st.dictionaries(
    lower_tokens, st.one_of(st.none(), tokens, hostnames, quoted_strings), max_size=4
)


@st.composite
def sip_uris(draw: st.DrawFn) -> Uri:
    user = draw(st.one_of(st.none(), users))
    return Uri(
        draw(st.sampled_from(["sip", "sips"])),
        user,
        draw(hosts),
        draw(ports),
        draw(uri_parameters),
        draw(st.one_of(st.none(), passwords)) if user is not None else None,
        draw(st.sampled_from(["", "", "subject=project%20x", "a=b&c="])),
    )


tel_uris = st.builds(
    lambda number, parameters: Uri("tel", number, parameters=parameters),
    st.from_regex(r"\+?[0-9][0-9\-.()]{0,12}", fullmatch=True),
    uri_parameters,
)
other_uris = st.builds(
    lambda scheme, opaque: Uri(scheme, opaque=opaque),
    st.sampled_from(["isbn", "http", "soap.beep", "nobodyknowsthis"]),
    st.text(string.ascii_letters + string.digits + "/:;=?&%.-_", min_size=1, max_size=20),
)
uris = st.one_of(sip_uris(), tel_uris, other_uris)
name_addrs = st.builds(NameAddr, quotable, uris, header_parameters)
vias = st.builds(
    Via,
    tokens.map(str.upper),
    hosts,
    ports,
    header_parameters,
    st.sampled_from(["SIP/2.0", "SIP/2.0", "SIP/7.0"]),
)
cseqs = st.builds(CSeq, st.integers(0, 2**31 - 1), tokens)

# A raw header value: anything on one line, without the white space that reading strips.
raw_values = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"), max_size=30).map(
    lambda text: text.strip(" \t")
)
header_names = st.one_of(
    st.sampled_from(
        ["via", "from", "contact", "call-id", "x-custom", "subject", "supported", "www-authenticate"]
    ),
    st.from_regex(r"[a-z][a-z0-9]{0,5}(-[a-z][a-z0-9]{0,5}){0,2}x", fullmatch=True),
)
header_lists = st.lists(st.tuples(header_names, raw_values), max_size=8)
request_uris = st.one_of(sip_uris(), tel_uris).map(str)
requests = st.builds(Request.make, tokens, request_uris, header_lists, st.binary(max_size=60))
responses = st.builds(
    Response.make,
    st.integers(100, 699),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"), min_size=1, max_size=20),
    header_lists,
    st.binary(max_size=60),
)
messages = st.one_of(requests, responses)
