"""Shows the verification runs, starts new ones, and gives away their reports."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from telemetry.exceptions import BackpressureError, ConfigurationError
from telemetry.explorer.access.refused import Refused
from telemetry.explorer.access.right import Right
from telemetry.explorer.access.route import require
from telemetry.explorer.access.visit import form_of, session_of
from telemetry.explorer.jobs.job import Job
from telemetry.explorer.jobs.pack import RUNNING_SECONDS
from telemetry.explorer.jobs.verification import VerificationRun
from telemetry.explorer.site.answering.downloads import download
from telemetry.explorer.site.answering.problem_text import problem_text
from telemetry.explorer.site.asked.command_line import quoted
from telemetry.explorer.site.jobs import job_of, refresh_of, refused_start
from telemetry.explorer.site.site import Site
from telemetry.reader.verify.html_report import render_html, report_view
from telemetry.reader.verify.verdicts import VerificationReport

_BAD, _NOT_FOUND, _SEE_OTHER = 400, 404, 303
_MAX_NUMBER = 20
"""Characters of a number that is repeated in the form."""


def routes(site: Site) -> list[Route]:
    """Return the routes."""

    @require(Right.SEALED)
    async def runs(request: Request) -> Response:
        return await site.turns.run(session_of(request), _list, site, request)

    @require(Right.SEALED)
    async def start(request: Request) -> Response:
        form = form_of(request)
        written = form.get("take-running", f"{RUNNING_SECONDS:g}")[:_MAX_NUMBER]
        try:
            job = site.desk.verifications.start(
                session_of(request).person,
                only_new=form.get("take-part") == "new",
                open_seconds=_seconds(written),
                from_start=not form.get("take-expired"),
            )
        except ConfigurationError as exc:
            expired = bool(form.get("take-expired"))
            return _list(site, request, status=_BAD, problem=problem_text(exc), running=written, expired=expired)
        except BackpressureError as exc:
            raise refused_start(exc) from exc
        return RedirectResponse(f"/verification/{job.number}", _SEE_OTHER)

    @require(Right.SEALED)
    async def run(request: Request) -> Response:
        return await site.turns.run(session_of(request), _run, site, request, job_of(site, request))

    @require(Right.SEALED)
    async def page_of_report(request: Request) -> Response:
        found = _found(site, request)
        text = await site.turns.run(session_of(request), render_html, found.report, scope=found.scope)
        return download(text.encode(), name=f"{_name(request)}.html", media_type="text/html; charset=utf-8")

    @require(Right.SEALED)
    async def values_of_report(request: Request) -> Response:
        found = _found(site, request)
        values = found.report.to_dict() | {"scope": dict(found.scope)}
        data = await site.turns.run(session_of(request), msgspec.json.encode, values)
        return download(data + b"\n", name=f"{_name(request)}.json", media_type="application/json")

    return [
        Route("/verification", runs, methods=["GET"]),
        Route("/verification", start, methods=["POST"]),
        Route("/verification/{number}", run, methods=["GET"]),
        Route("/verification/{number}/report.html", page_of_report, methods=["GET"]),
        Route("/verification/{number}/report.json", values_of_report, methods=["GET"]),
    ]


def _list(
    site: Site,
    request: Request,
    *,
    status: int = 200,
    problem: str = "",
    running: str = f"{RUNNING_SECONDS:g}",
    expired: bool = False,
) -> Response:
    verifications = site.desk.verifications
    return site.pages.page(
        request,
        "verification_runs.html",
        status=status,
        runs=[(job, _report_of(job)) for job in verifications.runs(session_of(request))],
        missing=site.desk.missing_for_proofs,
        can_continue=verifications.can_continue,
        problem=problem,
        running=running,
        expired=expired,
        command=_command(site),
    )


def _report_of(job: Job) -> VerificationReport | None:
    return job.outcome.report if isinstance(job.outcome, VerificationRun) else None


def _run(site: Site, request: Request, job: Job) -> Response:
    found = job.outcome if isinstance(job.outcome, VerificationRun) else None
    return site.pages.page(
        request,
        "verification_run.html",
        refresh=refresh_of(job),
        job=job,
        view=None if found is None else report_view(found.report, scope=found.scope),
    )


def _found(site: Site, request: Request) -> VerificationRun:
    outcome = job_of(site, request).outcome
    if isinstance(outcome, VerificationRun):
        return outcome
    raise Refused(_NOT_FOUND, "no_report", "This run has no report: it has not ended, or newer ones needed the room.")


def _name(request: Request) -> str:
    return f"verification-{request.path_params['number']}"


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return -1.0


def _command(site: Site) -> str:
    words = ["telemetry", "verify", *site.scope.options, f"--live={RUNNING_SECONDS:g}"]
    return " ".join(map(quoted, words))
