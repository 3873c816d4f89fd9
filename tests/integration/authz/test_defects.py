"""Every planted defect of a decision is noticed, and without one nothing is: on each engine that is there."""

import pytest

from tests.integration.authz.defects import Defect, defects_on
from tests.integration.authz.engines import EMBEDDED
from tests.integration.authz.experiments import DIRECTED, Experiment


@pytest.mark.parametrize("experiment", DIRECTED, ids=lambda experiment: experiment.__name__)
async def test_decision_is_right_when_something_happens_within_it(experiment: Experiment) -> None:
    assert await experiment(EMBEDDED) == []


@pytest.mark.parametrize("defect", defects_on("embedded"), ids=str)
async def test_defect_is_noticed_when_it_is_planted(defect: Defect) -> None:
    assert await defect.notice(EMBEDDED), f"nobody noticed: {defect}"
