// Package export_wit_world: backups that other accounts can read, and agents whose tools no profile takes away.
package export_wit_world

import (
	"encoding/json"
	"fmt"
	"strings"

	. "go.bytecodealliance.org/pkg/wit/types"
	state "wit_component/chitin_policy_state"
	types "wit_component/chitin_policy_types"
	"wit_component/wit_world"
)

const (
	backup  = "mine.backup_readable"
	profile = "mine.no_profile"
	place   = "/tools/profile"
)

// Audit is what the contract's world exports.
func Audit(input wit_world.Input) Result[wit_world.Answer, wit_world.Failure] {
	var config any
	if err := json.Unmarshal([]byte(input.Config), &config); err != nil {
		failure := types.MakeFailureInconclusive("the config is not JSON: " + err.Error())
		return Err[wit_world.Answer, wit_world.Failure](failure)
	}
	var answer wit_world.Answer
	readableBackups(input, &answer)
	noProfile(config, &answer)
	return Ok[wit_world.Answer, wit_world.Failure](answer)
}

func readableBackups(input wit_world.Input, answer *wit_world.Answer) {
	root := "state"
	for _, view := range input.Views {
		if view.Name == "state" {
			root = view.Display
		}
	}
	listed := state.ListEntries(types.Path{View: "state", Rel: ""})
	if listed.IsErr() {
		notListed(listed.Err(), root, answer)
		return
	}
	allowed := input.Permissions.File
	for _, entry := range listed.Ok() {
		mode := entry.Metadata.Mode
		if entry.Metadata.Kind != state.Kind_File || !strings.Contains(entry.Name, ".bak") || mode&0o044&^allowed == 0 {
			continue
		}
		remediation := "Take from group and others the permission to read it"
		if path := strings.TrimRight(root, "/") + "/" + entry.Name; isPlain(path) {
			remediation = fmt.Sprintf("Run: chmod %03o %s", allowed, path)
		}
		answer.Findings = append(answer.Findings, types.Finding{
			CheckId:  backup,
			Severity: types.Severity_Warn,
			Title:    "Other accounts can read a backup",
			Detail: fmt.Sprintf("The file has mode %03o: others can read the tokens that were in the config when it was saved.",
				mode&0o777),
			Remediation: Some(remediation),
			Locations:   []types.Location{types.MakeLocationObject(types.Path{View: "state", Rel: entry.Name})},
		})
	}
}

// Why the state directory could not be listed. Nothing is said where there is none: it has no backups.
func notListed(failure state.Error, root string, answer *wit_world.Answer) {
	open := types.Unassessed{CheckId: backup, Location: None[types.Location]()}
	switch failure.Tag() {
	case state.Error_NotFound:
		return
	case state.Error_NotGranted:
		open.Reason = types.MakeReasonWithheld("list:state")
	default:
		why := fmt.Sprintf("error %d", failure.Tag())
		if failure.Tag() == state.Error_Denied {
			why = "permission denied"
		} else if failure.Tag() == state.Error_Io {
			why = failure.Io()
		}
		open.Reason = types.MakeReasonUnreadable(fmt.Sprintf("cannot look at %s: %s", root, why))
		open.Location = Some(types.MakeLocationObject(types.Path{View: "state", Rel: ""}))
	}
	answer.Unassessed = append(answer.Unassessed, open)
}

// A path that a shell takes as it is, and that does not stand encoded here ("%").
func isPlain(path string) bool {
	return !strings.ContainsFunc(path, func(c rune) bool {
		return !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune("/._-", c))
	})
}

func noProfile(config any, answer *wit_world.Answer) {
	value, open := find(config, "tools", "profile")
	if open != nil {
		open.CheckId = profile
		answer.Unassessed = append(answer.Unassessed, *open)
		return
	}
	if value != nil && value != "full" {
		return
	}
	answer.Findings = append(answer.Findings, types.Finding{
		CheckId:     profile,
		Severity:    types.Severity_Info,
		Title:       "No tool profile is set",
		Detail:      "tools.profile is not set, or \"full\": agents have every tool that nothing else takes away.",
		Remediation: Some("Set tools.profile, for example to \"messaging\""),
		Locations:   []types.Location{types.MakeLocationConfig(place)},
	})
}

// The value at a path of keys, nil where it is absent or null, or why it is not shown (wit/input.wit, `config`).
func find(value any, keys ...string) (any, *types.Unassessed) {
	for _, key := range keys {
		object, _ := value.(map[string]any)
		member, found := object[key]
		if !found {
			// The object may have more members than are shown.
			if object["$hidden"] == "withheld" {
				return nil, withheld()
			}
			return nil, nil
		}
		value = member
	}
	object, _ := value.(map[string]any)
	mark, found := object["$hidden"]
	if !found {
		return value, nil
	}
	switch mark {
	case "secret":
		return nil, hidden(types.Hidden_Secret)
	case "variable":
		return nil, hidden(types.Hidden_Variable)
	case "reference":
		return nil, hidden(types.Hidden_Reference)
	}
	return nil, withheld()
}

func hidden(kind types.Hidden) *types.Unassessed {
	return &types.Unassessed{Reason: types.MakeReasonHidden(kind), Location: Some(types.MakeLocationConfig(place))}
}

// Without a place: it would tell that something is there.
func withheld() *types.Unassessed {
	return &types.Unassessed{Reason: types.MakeReasonWithheld("config:" + place), Location: None[types.Location]()}
}
