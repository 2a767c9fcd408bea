"""Dialplans made at random, as plain values, and printing a compiled one."""

import json
from typing import Any

from hypothesis import strategies as st

from pbx.dialplan.calendars import Calendar
from pbx.dialplan.chain import Link
from pbx.dialplan.generation import Generation
from pbx.dialplan.lists import NumberList
from pbx.dialplan.scope import Build
from pbx.dialplan.times import WEEKDAYS
from pbx.documents import Shape

Value = dict[str, Any]

numbers = st.text("0123+*#XZN.", min_size=1, max_size=5)
regexes = st.sampled_from(["/^0(.*)$/", "/[1-3]{2}/", "/^(1)(.)/", "/./"])
names = st.sampled_from(["reception", "alice", "no", "1.50", "{", "a b", "é", "null", "0x1f"])
patterns = numbers | regexes | names
one_or_many = patterns | st.lists(patterns, min_size=1, max_size=3)
durations = st.sampled_from(["500ms", "20s", "1m", "1.5s"])
targets = st.sampled_from(
    ["user", "user/1001", "user/{to}", "trunk/carrier", "trunk/backup/{from}", "sip:{name}@desk.example"]
)
CHAINS = ("a", "b", "c")


def optional(**keys: st.SearchStrategy[Any]) -> st.SearchStrategy[Value]:
    return st.fixed_dictionaries({}, optional=keys)


def joined(first: st.SearchStrategy[Value], second: st.SearchStrategy[Value]) -> st.SearchStrategy[Value]:
    return st.tuples(first, second).map(lambda pair: {**pair[0], **pair[1]})


simple = st.one_of(
    st.sampled_from(["echo", "hangup"]),
    joined(
        st.integers(400, 699).map(lambda code: {"reject": code}),
        optional(phrase=st.sampled_from(["Not now", "é"]), retry_after=durations),
    ),
    joined(st.just({"play": ["one", "two"]}), optional(early=st.booleans(), times=st.integers(1, 3))),
    st.just({"conference": {"room": "{to}", "muted": True}}),
    st.just({"redirect": ["sip:{from}@desk.example"], "code": 301}),
    joined(st.just({"queue": "support"}), optional(priority=st.integers(-5, 5))),
    # A goto leads on only, so that there are no circles.
    st.just({"goto": "c"}),
)
outcomes = st.sampled_from(["busy", "no-answer", "unavailable", "rejected", "failed", "timeout"])
dials = st.one_of(
    joined(
        st.fixed_dictionaries({"dial": targets | st.lists(targets, min_size=1, max_size=3)}),
        optional(ring=durations, on=st.dictionaries(outcomes, simple, max_size=2)),
    ),
    st.fixed_dictionaries(
        {
            "dial": st.lists(targets, min_size=1, max_size=3),
            "mode": st.sampled_from(["in-turn", "failover", "least-used"]),
            "stop": st.lists(st.sampled_from([486, "busy", 603]), max_size=2),
        }
    ),
    optional(ring=durations, busy=targets, **{"no-answer": targets, "find-me": targets}).map(
        lambda options: {"forward": {"unreachable": "user/1002", **options}}
    ),
)
menus = st.fixed_dictionaries(
    {
        "prompt": st.sampled_from(["one", ["one", "two"]]),
        "choices": st.dictionaries(st.sampled_from(["1", "12", "*", "1XX", "9."]), simple, min_size=1),
    },
    optional={"retries": st.integers(0, 2), "timeout": simple, "invalid": simple, "first": durations},
).map(lambda options: {"menu": options})
endings = simple | dials | menus
conditions = optional(
    to=one_or_many,
    **{"from": one_or_many},
    source=st.sampled_from(["users", "anyone", "trunk", "trunk/carrier", ["users", "trunk"]]),
    header=st.dictionaries(st.sampled_from(["X-Why", "subject"]), one_or_many, max_size=1),
    when=st.sampled_from(["office", {"office": "closed"}, {"office": "holiday"}]),
    at=st.sampled_from(["mon-fri 09:00-17:00", ["sat 10:00-12:00", "22:00-02:00"]]),
    strip=st.integers(0, 2),
    prefix=st.sampled_from(["0", "+31"]),
    e164=st.just("NL"),
    about=st.just("why"),
)


def as_mapping(step: Any) -> Value:
    return {step: None} if isinstance(step, str) else dict(step)


rules = st.tuples(conditions, endings).map(lambda pair: {**pair[0], **as_mapping(pair[1])})
others = st.one_of(
    st.lists(rules, min_size=1, max_size=4).map(lambda found: {"routing": found}),
    st.sampled_from(
        [
            {"blacklist": "bad"},
            {"allowlist": ["bad", "good"], "reject": 403},
            {"include": "c"},
            {"record": {"what": "mix", "name": "{from}-{date}"}},
            {"limit": {"caller": 2, "rate": {"calls": 3, "per": "1m"}, "else": {"reject": 486}}},
            {"set": {"caller_name": "x {name}", "variables": {"v": "{to}"}, "headers": {"X-V": "{v}{from}"}}},
            {"set": {"caller_id": "+31", "anonymous": True}},
            {"http": "https://crm.example/{from}?to={to}", "on_error": {"reject": 500}},
        ]
    ),
    st.dictionaries(st.sampled_from(["open", "closed", "holiday"]), simple, min_size=1).map(
        lambda found: {"hours": {"calendar": "office", **found}}
    ),
)
identified = st.tuples(others | dials | menus, st.sampled_from(["", "", "mine", "yours"])).map(
    lambda pair: {**pair[0], "id": pair[1]} if pair[1] else pair[0]
)
chains = st.lists(identified | simple, min_size=1, max_size=3)
# Each takes fewer calls than the next, so that all are reached.
SOURCES = ["users", "trunk/carrier", "trunk", "anyone"]
entries = st.lists(st.sampled_from(SOURCES), min_size=1, max_size=3, unique=True).map(
    lambda found: sorted(found, key=SOURCES.index)
)
hours = st.sampled_from(["09:00-17:30", ["09:00-12:00", "22:00-02:00"], "00:00-24:00"])
calendars = st.fixed_dictionaries(
    {"open": st.dictionaries(st.sampled_from(["mon-fri", "sat", "sat,sun", "daily"]), hours, min_size=1)},
    optional={
        "holidays": st.sampled_from(["NL", {"country": "DE", "subdivision": "BY"}]),
        "closed": st.sampled_from(["2026-12-24", ["2026-12-24 - 2026-12-26", "2026-12-31 12:00-24:00"]]),
        "opened": st.just("2026-12-26 10:00-12:00"),
        "timezone": st.sampled_from(["Europe/Amsterdam", "America/New_York"]),
        "switch": st.just("office"),
    },
)
lists = st.lists(
    numbers | st.sampled_from(["anonymous", {"country": "NL"}, "/^\\+44/"]), min_size=1, max_size=4
)
plans = st.fixed_dictionaries(
    {
        "entry": entries.map(
            lambda found: [
                {"from": source, "chain": "a" if index % 2 else "b"} for index, source in enumerate(found)
            ]
        ),
        "timezone": st.sampled_from(["UTC", "Europe/Amsterdam"]),
        "lists": st.fixed_dictionaries({"bad": lists, "good": lists}),
        "calendars": st.fixed_dictionaries({"office": calendars}),
        "queues": st.just({"support": {"agents": ["1001"], "on": {"timeout": "hangup"}}}),
        "emergency": st.sampled_from([["112"], []]),
        # c leads nowhere, so that nothing goes in circles.
        "chains": st.fixed_dictionaries(
            {"a": chains, "b": chains, "c": st.just([{"set": {"variables": {"v": "c"}}}, {"reject": 410}])}
        ),
    }
)
"""Dialplans that compile with the users and trunks of `calls.KNOWN`."""


def printed(generation: Generation, build: Build) -> str:
    """A compiled dialplan as text (JSON, which is YAML): everything but its tests and its files' places."""
    value = {
        "timezone": str(generation.zone),
        "entry": [{"from": entry.source, "chain": entry.chain} for entry in generation.entries],
        "emergency": sorted(build.emergency),
        "lists": {name: _list(found) for name, found in generation.lists.items()},
        "calendars": {name: _calendar(found) for name, found in generation.calendars.items()},
        "queues": {name: _options(found.shape) for name, found in generation.queues.items()},
        "chains": {name: [_step(link) for link in chain.links] for name, chain in generation.chains.items()},
    }
    return json.dumps(value, ensure_ascii=False)


def _step(link: Link) -> Value:
    handler = link.handler
    more = {"id": link.name} if link.name != handler.name else {}
    return {handler.name: _options(handler.options), **more}


def _options(options: Shape) -> Value:
    found: Value = _written(options.model_dump(by_alias=True, exclude_unset=True))
    return found


def _written(value: Any) -> Any:
    """What options are as they are written: a float is a duration."""
    if isinstance(value, dict):
        return {key: _written(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_written(each) for each in value]
    return f"{value!r}s" if type(value) is float else value


def _list(found: NumberList) -> list[Any]:
    return [
        *sorted(found.numbers),
        *(pattern.text for pattern in found.patterns),
        *({"country": country} for country in sorted(found.countries)),
        *(["anonymous"] if found.anonymous else []),
    ]


def _calendar(found: Calendar) -> Value:
    value: Value = {
        "timezone": str(found.zone),
        "open": {
            day: [str(each) if each.end != 1440 else f"{str(each)[:5]}-24:00" for each in ranges]
            for day, ranges in zip(WEEKDAYS, found.weekly, strict=True)
            if ranges
        },
        "closed": [*(days.text for days in found.closed_days), *(span.text for span in found.closed_times)],
        "opened": [*(days.text for days in found.opened_days), *(span.text for span in found.opened_times)],
        "switch": found.switch,
    }
    if found.holidays is not None:
        holidays = found.holidays
        value["holidays"] = {"country": holidays.country, "subdivision": holidays.subdivision}
    return value
