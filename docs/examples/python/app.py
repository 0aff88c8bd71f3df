"""Backups that other accounts can read, and agents whose tools no profile takes away."""
import json
import re

from componentize_py_types import Err

import wit_world
from wit_world.imports import state
from wit_world.imports.types import (
    Answer,
    Failure_Inconclusive,
    Finding,
    Hidden,
    Location_Config,
    Location_Object,
    Path,
    Reason_Hidden,
    Reason_Unreadable,
    Reason_Withheld,
    Severity,
    Unassessed,
)

BACKUP = "mine.backup_readable"
PROFILE = "mine.no_profile"
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
        readable_backups(input, answer)
        no_profile(config, answer)
        return answer


def in_state(rel):
    return Location_Object(Path(view="state", rel=rel))


def readable_backups(input, answer):
    root = next((view.display for view in input.views if view.name == "state"), "state")
    try:
        entries = state.list_entries(Path(view="state", rel=""))
    except Err as error:
        match error.value:
            case state.Error_NotFound():
                pass  # No state directory: no backups.
            case state.Error_NotGranted():
                answer.unassessed.append(Unassessed(BACKUP, Reason_Withheld("list:state"), None))
            case other:
                why = f"cannot look at {root}: {in_words(other)}"
                answer.unassessed.append(Unassessed(BACKUP, Reason_Unreadable(why), in_state("")))
        return
    allowed = input.permissions.file
    for entry in entries:
        mode = entry.metadata.mode
        if entry.metadata.kind is not state.Kind.FILE or ".bak" not in entry.name or not mode & 0o044 & ~allowed:
            continue
        path = f"{root.rstrip('/')}/{entry.name}"
        # Any other path would have to be quoted for a shell, or stands encoded here ("%").
        is_plain = re.fullmatch(r"[A-Za-z0-9/._-]+", path)
        answer.findings.append(Finding(
            check_id=BACKUP,
            severity=Severity.WARN,
            title="Other accounts can read a backup",
            detail=f"The file has mode {mode & 0o777:03o}: others can read the tokens that were in the config when it was saved.",
            remediation=f"Run: chmod {allowed:03o} {path}" if is_plain
            else "Take from group and others the permission to read it",
            locations=[in_state(entry.name)],
            fixes=[],
        ))


def in_words(error):
    match error:
        case state.Error_Denied():
            return "permission denied"
        case state.Error_Io(words):
            return words
        case other:
            return type(other).__name__


class NotShown(Exception):
    """A value is not shown; its arguments are the reason and the place."""


def no_profile(config, answer):
    try:
        profile = find(config, "tools", "profile")
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


def find(value, *keys):
    """The value at a path of keys, None where it is absent or null (wit/input.wit, `config`)."""
    # Without a place: it would tell that something is there.
    withheld = NotShown(Reason_Withheld(f"config:{PLACE}"), None)
    for key in keys:
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
        raise withheld if kind is None else NotShown(Reason_Hidden(kind), Location_Config(PLACE))
    return value
