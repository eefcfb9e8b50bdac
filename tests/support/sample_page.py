"""Renders one page with everything that pages are made of, filled with the events of an attacker or with ordinary ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from telemetry.format.value.event import AuditEvent
from telemetry.format.value.members import Change, Target
from telemetry.pages.charts import Band, Lane, gaps, outages, timeline
from telemetry.pages.environment import page_environment
from telemetry.pages.event import changes, fields, sentence, tree
from telemetry.pages.marks import CLAIMED
from tests.support.hostile_events import HostileEvent

_PAGE = """{% extends "filed.html" %}{% import "macros.html" as ui %}
{% block title %}{{ name }}{% endblock %}
{% block main %}
<h1>{{ name|shown }}</h1>
{% call ui.verdict_box("fine", "complete") %}<p>Every record is what was signed. <span class="quiet">Quiet.</span></p>{% endcall %}
{% call ui.verdict_box("incomplete", "missing") %}<p>Records are missing.</p>{% endcall %}
{% call ui.verdict_box("tampered", "tampered") %}<p>A record is not what was signed.</p>{% endcall %}
{% for tone in ["good", "warn", "bad", "plain"] %}
{% call ui.banner(tone, "The index is cut") %}<p>Earlier events are not in it. <a href="#main">More</a></p>{% endcall %}
{% endfor %}
<p>{{ ui.verdict_label("fine", "complete") }} {{ ui.verdict_label("incomplete", "missing") }} {{ ui.verdict_label("tampered", "tampered") }}</p>
<h2>Marks</h2>
{{ ui.legend() }}
<h2>Charts</h2>
{{ ui.chart(activity, "activity") }}
{{ ui.chart(gaps, "gaps") }}
{{ ui.chart(outages, "outages") }}
<h2>Search</h2>
<form action="#main"><div class="grid">
<div class="field"><label for="user">User</label><input id="user" name="user" value="{{ name|exact }}"></div>
<div class="field"><label for="since">Since</label><input id="since" name="since" aria-invalid="true" aria-describedby="since-error"><p class="error" id="since-error">This is no time.</p></div>
<div class="field"><label for="outcome">Outcome</label><select id="outcome" name="outcome"><option>any</option><option>success</option></select><p class="hint">One of three.</p></div>
</div>
<div class="actions"><button class="primary">Search</button> <button>Export</button> <button class="plain">Clear</button> <a class="button" href="#main">Back</a></div></form>
{{ ui.progress(30, 100, label="Records that were read") }}
<h2>Events</h2>
{% call ui.table("Events, newest first", "events") %}
<thead><tr><th scope="col">Time</th><th scope="col">What happened</th><th scope="col">Type</th><th scope="col">User</th><th scope="col">Marks</th></tr></thead>
<tbody>
{% for event, said in events %}
<tr><td>{{ ui.moment(event.time, "Europe/Berlin") }}</td><td class="wide"><a href="{{ own_url("/events", event.id) }}">{{ said|shown }}</a></td><td>{{ event.event_type|short(40) }}</td><td>{{ event.user_id|short(40) }}</td><td>{{ ui.marks(record_marks("pending", is_sealed=true, via=event.user_id)) }}</td></tr>
{% endfor %}
</tbody>
{% endcall %}
{% for view in views %}
<h2>Event {{ loop.index }}</h2>
{{ ui.field_list(view.fields, "Asia/Tokyo") }}
{% if view.changes %}{{ ui.changes_table(view.changes, "changes-" ~ loop.index) }}{% endif %}
<h3>Payload</h3>
{{ ui.tree(view.tree) }}
{% endfor %}
<h2>Life line</h2>
<ol class="life"><li class="good"><h3>Logged</h3><p>By the service.</p></li><li class="warn"><h3>Stored</h3></li><li class="bad"><h3>Not proven</h3></li></ol>
{% endblock %}"""


def audit_event(hostile: HostileEvent, *, number: int = 0) -> AuditEvent:
    """Return the event that a call of ``log()`` with these arguments seals, without the limits that the library sets."""
    known = {name: value for name, value in hostile.fields.items() if name in AuditEvent.__struct_fields__}
    known["targets"] = tuple(Target(*map(str, target)) for target in hostile.fields.get("targets", ()))
    known["changes"] = {
        str(name): Change(old=sides.get("old", msgspec.UNSET), new=sides.get("new", msgspec.UNSET))
        for name, sides in hostile.fields.get("changes", {}).items()
    }
    return AuditEvent(
        id=f"01900000-0000-7000-8000-{number:012}",
        time="2026-01-03T20:04:05.123456Z",
        event_type=hostile.event_type,
        user_id=hostile.user_id,
        payload=hostile.payload,
        service_name="imports",
        environment="production",
        producer="01900000-0000-7000-8000-000000000002",
        sequence=number,
        schema_version=1,
        metadata={name: value for name, value in hostile.fields.items() if name not in AuditEvent.__struct_fields__},
        **known,
    )


def sample_page(name: str, events: Sequence[AuditEvent]) -> str:
    """Return the page.

    Args:
        name: Its title, and the name of everything that has one.
        events: What it shows.
    """
    days = [(f"2026-01-{day:02}", day * day) for day in range(1, 29)]
    bands = (Band(start=70, end=80, what=name), Band(start=200, end=200, what="stored", tone="warn"))
    lanes = [Lane(name=name, start=0, end=300, bands=bands), Lane(name="/production/payments", start=50, end=250)]
    views: list[dict[str, Any]] = [
        {
            "fields": fields(event, content_mark=CLAIMED),
            "changes": changes(event),
            "tree": tree({"payload": event.payload, "metadata": event.metadata}),
        }
        for event in events
    ]
    return (
        page_environment()
        .from_string(_PAGE)
        .render(
            name=name,
            events=[(event, sentence(event)) for event in events],
            views=views,
            activity=timeline(days, title=name),
            gaps=gaps(lanes, title=f"Gaps: {name}"),
            outages=outages(lanes, title="Outages"),
        )
    )
