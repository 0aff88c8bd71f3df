"""Agents whose tools no profile takes away."""
import json

from componentize_py_types import Err

import wit_world
from wit_world.imports.types import (
    Answer,
    Failure_Inconclusive,
    Finding,
    Hidden,
    Location_Config,
    Reason_Hidden,
    Reason_Withheld,
    Severity,
    Unassessed,
)

PROFILE = "{{name}}.no_profile"
PLACE = "/tools/profile"
HIDDEN = {"secret": Hidden.SECRET, "variable": Hidden.VARIABLE, "reference": Hidden.REFERENCE}


class WitWorld(wit_world.WitWorld):
    """What the contract's world exports."""

    def audit(self, input):
        try:
            config = json.loads(input.config)
        except ValueError as error:
            raise Err(Failure_Inconclusive(f"the config is not JSON: {error}"))
        answer = Answer(findings=[], unassessed=[])
        no_profile(config, answer)
        return answer


class NotShown(Exception):
    """A value is not shown; its arguments are the reason and the place."""


def no_profile(config, answer):
    try:
        profile = find(config, PLACE)
    except NotShown as hidden:
        answer.unassessed.append(Unassessed(PROFILE, *hidden.args))
        return
    if profile is None or profile == "full":
        answer.findings.append(Finding(
            check_id=PROFILE,
            severity=Severity.INFO,
            title="No tool profile is set",
            detail='tools.profile is not set, or "full": agents have every tool that nothing else takes away.',
            remediation='Set tools.profile, for example to "messaging"',
            locations=[Location_Config(PLACE)],
            fixes=[],
        ))


def find(value, place):
    """The value at a place such as "/tools/profile", None where it is absent or null (wit/input.wit, `config`)."""
    # Without a place: it would tell that something is there.
    withheld = NotShown(Reason_Withheld(f"config:{place}"), None)
    for key in place.split("/")[1:]:
        key = key.replace("~1", "/").replace("~0", "~")
        if not isinstance(value, dict):
            return None
        if key not in value:
            # The object may have more members than are shown.
            if value.get("$hidden") == "withheld":
                raise withheld
            return None
        value = value[key]
    if isinstance(value, dict) and "$hidden" in value:
        kind = HIDDEN.get(value["$hidden"])
        raise withheld if kind is None else NotShown(Reason_Hidden(kind), Location_Config(place))
    return value
