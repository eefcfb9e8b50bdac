"""Checks that a browser runs nothing of the pages of a pack: what they say is for people, and by the signer's word."""

from __future__ import annotations

import re

from telemetry.evidence.check.report import Findings
from telemetry.evidence.pack.archive import Archive
from telemetry.evidence.pack.names import PAGE, REPORT_PAGE

_BEGIN = re.compile(
    rb'<!DOCTYPE html>\n<html lang="en"(?: class="[a-z ]*")?>\n<head>\n<meta charset="utf-8">\n'
    rb'<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; style-src \'sha256-[0-9A-Za-z+/]{43}=\'; '
    rb"base-uri 'none'; form-action 'none'\">\n"
    rb'<meta name="viewport" content="[a-z0-9=, -]+">\n<meta name="referrer" content="no-referrer">\n'
)
"""A browser obeys this policy for everything after it, and there is nothing before it (CSP Level 3, section 3.3)."""
_BEYOND = re.compile(rb"<meta(?! name=\"color-scheme\" content=\"light dark\">)|<link", re.IGNORECASE)
"""What it does not cover: a page that leads elsewhere by itself, and connections that are made ahead."""


def check_pages(archive: Archive, intact: frozenset[str], findings: Findings) -> None:
    """Check that both pages are there, and begin with the policy that lets a browser run and load nothing."""
    check = findings.begin("pages")
    for name in (PAGE, REPORT_PAGE):
        if name not in archive:
            check.add(name, "is missing: every pack has it")
        elif name in intact and not _is_inert(archive.read(name)):
            check.add(name, "does not begin with the policy that stops scripts, or leads elsewhere: do not open it")
    check.conclude("a browser runs and loads nothing of them; what they say is by the word of the exporter")


def _is_inert(page: bytes) -> bool:
    begin = _BEGIN.match(page)
    return begin is not None and _BEYOND.search(page, begin.end()) is None
