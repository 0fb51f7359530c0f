"""What clients could send, for hypothesis: JSON, user ids and bytes of all kinds."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote_from_bytes

from hypothesis import strategies as st

#: Any text that JSON can carry, lone surrogates and NUL included.
texts = st.text(st.characters(), max_size=30)

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**200), 2**200)
    | st.floats()
    | texts,
    lambda children: (
        st.lists(children, max_size=4) | st.dictionaries(texts, children, max_size=4)
    ),
    max_leaves=8,
)


def objects(**keys: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with some of these keys, often with the value of the strategy, and with
    some other keys."""
    optional = {key: values | json_values for key, values in keys.items()}
    return st.builds(
        lambda known, other: {**other, **known},
        st.fixed_dictionaries({}, optional=optional),
        st.dictionaries(texts, json_values, max_size=2),
    )


def escaped(raw: bytes) -> str:
    """The bytes as one segment of a path, or one value of a query."""
    return quote_from_bytes(raw, safe="")


#: One segment of a path where a user id belongs.
segments = st.one_of(
    st.binary(max_size=300).map(escaped),
    st.binary(max_size=40).map(lambda raw: "@" + escaped(raw) + "%3Ahs"),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=300).map(
        lambda text: escaped(f"@{text}:hs".encode())
    ),
    st.sampled_from(
        [
            "",
            ".",
            "..",
            "%2E%2E",
            "@",
            "%",
            "%zz",
            "@a%2Fb:hs",
            "@a%00:hs",
            "@%00:hs",
            "@a:hs%00",
            "@a%0D%0A:hs",
            "@%FF:hs",
            "@%C0%80:hs",
            "@%ED%A0%80:hs",
            "@" + "a" * 250 + ":hs",
            "@" + "a" * 251 + ":hs",
            "@" + "a" * 252 + ":hs",
            "@" + "%F0%9F%A7%81" * 70 + ":hs",
            "@a:hs;x=y",
            "@a:hs+",
            "@a%3Fb:hs",
            "@a%23b:hs",
        ]
    ),
)
