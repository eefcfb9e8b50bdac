"""Shows how far a job is and what it found, and gives away proof files and packs."""

from __future__ import annotations

import re
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from telemetry.exceptions import BackpressureError, ConfigurationError
from telemetry.explorer.access.refused import Refused
from telemetry.explorer.access.right import Right
from telemetry.explorer.access.route import require
from telemetry.explorer.access.visit import session_of
from telemetry.explorer.jobs.job import Job
from telemetry.explorer.jobs.life_line import LifeLines
from telemetry.explorer.jobs.pack import BuiltPack
from telemetry.explorer.jobs.proof import ProofOutcome
from telemetry.explorer.jobs.verification import VerificationWork
from telemetry.explorer.site.answering.downloads import download
from telemetry.explorer.site.answering.problem_text import problem_text
from telemetry.explorer.site.site import Site

REFRESH_SECONDS = 2
_NUMBER = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)
_BAD, _NOT_FOUND, _TOO_MANY, _SEE_OTHER = 400, 404, 429, 303


def routes(site: Site) -> list[Route]:
    """Return the routes."""

    @require(Right.SEALED)
    async def show(request: Request) -> Response:
        job = job_of(site, request)
        if isinstance(job.work, VerificationWork):
            return RedirectResponse(f"/verification/{job.number}", _SEE_OTHER)
        return await site.turns.run(session_of(request), _page, site, request, job)

    @require(Right.SEALED)
    async def stop(request: Request) -> Response:
        session = session_of(request)
        job = job_of(site, request)
        if not job.is_of(session.person):
            raise Refused(403, "not_own_job", "Only the person who started this can stop it.")
        job.stop()
        return RedirectResponse(f"/jobs/{job.number}", _SEE_OTHER)

    @require(Right.SEALED)
    async def proof(request: Request) -> Response:
        outcome = job_of(site, request).outcome
        if not isinstance(outcome, ProofOutcome) or outcome.proof is None:
            raise _no_such_job()
        # The id of an event that was proven is a UUID, and nothing else.
        return download(outcome.proof.file, name=f"{outcome.event_id}.proof.json", media_type="application/json")

    @require(Right.EXPORT, content=True)
    async def pack(request: Request) -> Response:
        outcome = job_of(site, request).outcome
        if not isinstance(outcome, BuiltPack):
            raise _no_such_job()
        return download(outcome.data, name=outcome.name, media_type="application/zip")

    return [
        Route("/jobs/{number}", show, methods=["GET"]),
        Route("/jobs/{number}/stop", stop, methods=["POST"]),
        Route("/jobs/{number}/proof", proof, methods=["GET"]),
        Route("/jobs/{number}/pack", pack, methods=["GET"]),
    ]


def job_of(site: Site, request: Request) -> Job:
    """Return the job whose number is in the address.

    Raises:
        Refused: There is none, or it is not this visitor's to see: both look the same.
    """
    text: str = request.path_params["number"]
    # A number from outside: of any length, and in any script.
    job = site.desk.book.find(int(text), session=session_of(request)) if _NUMBER.fullmatch(text) else None
    if job is None:
        raise _no_such_job()
    return job


def refused_start(error: ConfigurationError | BackpressureError) -> Refused:
    """Return the answer to a job that cannot be started."""
    if isinstance(error, BackpressureError):
        return Refused(_TOO_MANY, "too_many_jobs", str(error))
    return Refused(_BAD, "bad_job", problem_text(error))


def refresh_of(job: Job) -> int | None:
    """Return after how many seconds the page of a job is loaded again; None once it has ended."""
    return None if job.state.is_final else REFRESH_SECONDS


def _page(site: Site, request: Request, job: Job) -> Response:
    outcome = job.outcome
    return site.pages.page(
        request,
        "job.html",
        refresh=refresh_of(job),
        job=job,
        event_id=getattr(job.work, "event_id", ""),
        proof=_of_kind(ProofOutcome, outcome),
        lives=_of_kind(LifeLines, outcome),
        pack=_of_kind(BuiltPack, outcome),
    )


def _of_kind(kind: type[Any], outcome: object) -> Any:
    return outcome if isinstance(outcome, kind) else None


def _no_such_job() -> Refused:
    detail = "There is no such job, or it is not yours. Jobs end with the explorer, and old ones are forgotten."
    return Refused(_NOT_FOUND, "no_such_job", detail)
