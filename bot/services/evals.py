"""Past investigations kept with the cause that a person confirmed, and how well a reasoner does on them.

An eval is a folder: `case.json` (the recording) and `cause.json` (the confirmed cause), apart from each other so that
nothing that reasons ever opens the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, median
from typing import TypeVar

from pydantic import AwareDatetime, ValidationError

from bot.domain.access import Principal
from bot.domain.investigation import Investigation
from bot.domain.question import Ranking, Setting
from bot.domain.states import Verdict
from bot.errors import InvalidRequest, NotAllowed, UnknownId
from bot.reasoning.protocol import Reasoner
from bot.reasoning.spending import Metered
from bot.services.replay import Recording, Replayed, recall, replay
from bot.store import Store
from connectors.model import Clock, Frozen
from connectors.redaction import redact_json

_CASE, _CAUSE = "case.json", "cause.json"
_NO_FAULT = "no_fault_found"
FrozenT = TypeVar("FrozenT", bound=Frozen)


class ConfirmedCause(Frozen):
    """What a person says was the cause."""

    component: str
    cause: str
    by: str
    at: AwareDatetime


class CaseScore(Frozen):
    """One eval: the place of the confirmed cause in the ranking (0: not there), and what was said first."""

    name: str
    truth: str
    said: str
    confidence: float
    place: int
    component_place: int
    answered: bool
    seconds: float


class Score(Frozen):
    """All evals of a folder. Rates are of all cases; Brier is over the confidence of what was put first."""

    cases: tuple[CaseScore, ...]
    top1: float
    top3: float
    component_top1: float
    component_top3: float
    brier: float
    coverage: float
    median_s: float
    usd: float = 0.0
    tokens: int = 0


async def save_eval(
    store: Store, investigation_id: str, folder: Path, *, clock: Clock, by: str = "", cause: str | None = None
) -> Path:
    """Keep an investigation as an eval and return its folder. `cause` is `component cause`.

    Without `cause`, the one that a person confirmed or pinned; InvalidRequest when nobody did.
    """
    recording = await recall(store, investigation_id)
    state = recording.investigation
    component, _, name = (cause or _confirmed(state)).partition(" ")
    if "/" not in component or not name:
        raise InvalidRequest("A cause is a component and a name, such as: app/payment-api bad_deployment")
    truth = ConfirmedCause(component=component, cause=name.strip(), by=by or state.requester.actor, at=clock.now())
    masked = redact_json(state.model_copy(update={"origin": {}}).model_dump(mode="json"))
    kept = recording.model_copy(update={"investigation": Investigation.model_validate(masked)})
    return _write(folder / state.id, kept, truth)


class EvalKeeper:
    """ "Save as eval" of the chat: keeps a confirmed investigation in one folder."""

    def __init__(self, store: Store, folder: Path, clock: Clock) -> None:
        self._store = store
        self._folder = folder
        self._clock = clock

    async def keep(self, investigation_id: str, by: Principal) -> str:
        """What to tell the person; a second time replaces the first. NotAllowed for guests; InvalidRequest."""
        if by.guest:
            raise NotAllowed("Guests cannot keep evals. Ask a member of the team to do it.")
        place = await save_eval(self._store, investigation_id, self._folder, clock=self._clock, by=by.actor)
        kept = _read(place / _CAUSE, ConfirmedCause)
        return f"Kept as an eval: {kept.component} {kept.cause}. `inquest eval {self._folder.name}` scores it."


def _write(place: Path, kept: Recording, truth: ConfirmedCause) -> Path:
    place.mkdir(parents=True, exist_ok=True)
    (place / _CASE).write_text(kept.model_dump_json(), encoding="utf-8")
    (place / _CAUSE).write_text(truth.model_dump_json(indent=1), encoding="utf-8")
    return place


def _confirmed(state: Investigation) -> str:
    values = [str(feedback.get("value")) for feedback in state.feedback]
    judged = next((value for value in reversed(values) if value in ("confirm_cause", "wrong_cause")), None)
    if judged == "confirm_cause" and state.report and state.report.synthesis.hypotheses:
        best = state.report.synthesis.hypotheses[0]
        return f"{best.component} {best.cause}"
    if state.pinned:
        return state.pinned[-1]
    raise InvalidRequest("Nobody has confirmed the cause of this investigation yet. Name it with --cause.")


async def evaluate(folder: Path, *, reasoner: Reasoner | Metered, setting: Setting | None = None) -> Score:
    """Replay every eval below the folder and score what comes first. UnknownId when there is none."""
    places = _places(folder)
    scored: list[CaseScore] = []
    usd, tokens = 0.0, 0
    for place in places:
        done = await replay(_read(place / _CASE, Recording), reasoner=reasoner, setting=setting)
        usd, tokens = usd + done.report.cost.usd, tokens + done.report.cost.tokens
        scored.append(score_case(place.name, done, _read(place / _CAUSE, ConfirmedCause)))
    return _summed(scored).model_copy(update={"usd": usd, "tokens": tokens})


def _places(folder: Path) -> list[Path]:
    places = sorted(path.parent for path in folder.glob(f"*/{_CASE}"))
    if not places:
        raise UnknownId(f"There are no evals in {folder}.")
    return places


def _read(path: Path, shape: type[FrozenT]) -> FrozenT:
    try:
        return shape.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise InvalidRequest(f"{path} is missing.") from error
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidRequest(f"{path}: {where}: {first['msg']}.") from error


def score_case(name: str, done: Replayed, truth: ConfirmedCause) -> CaseScore:
    """How one replay did against the confirmed cause."""
    told = done.report.synthesis
    pairs = [(h.component, h.cause) for h in told.hypotheses]
    wanted = (truth.component, truth.cause)
    if truth.cause == _NO_FAULT:
        right = told.verdict is Verdict.NO_FAULT_FOUND
        place = component_place = 1 if right else 0
    else:
        place = pairs.index(wanted) + 1 if wanted in pairs else 0
        components = list(dict.fromkeys(component for component, _ in pairs))
        component_place = components.index(truth.component) + 1 if truth.component in components else 0
    return CaseScore(
        name=name,
        truth=" ".join(wanted),
        said=" ".join(pairs[0]) if pairs else told.verdict.value,
        confidence=told.confidence,
        place=place,
        component_place=component_place,
        answered=_answered(told.verdict, done.ranking),
        seconds=done.seconds,
    )


def _answered(verdict: Verdict, ranking: Ranking) -> bool:
    return verdict is not Verdict.INCONCLUSIVE and bool(ranking.hypotheses)


def _summed(cases: Sequence[CaseScore]) -> Score:
    return Score(
        cases=tuple(cases),
        top1=fmean(case.place == 1 for case in cases),
        top3=fmean(1 <= case.place <= 3 for case in cases),
        component_top1=fmean(case.component_place == 1 for case in cases),
        component_top3=fmean(1 <= case.component_place <= 3 for case in cases),
        brier=fmean((case.confidence - (case.place == 1)) ** 2 for case in cases),
        coverage=fmean(case.answered for case in cases),
        median_s=median(case.seconds for case in cases),
    )
