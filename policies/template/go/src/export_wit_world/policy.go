// Package export_wit_world: agents whose tools no profile takes away.
package export_wit_world

import (
	"encoding/json"

	. "go.bytecodealliance.org/pkg/wit/types"
	types "wit_component/chitin_policy_types"
	"wit_component/wit_world"
)

const (
	profile = "{{name}}.no_profile"
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
	noProfile(config, &answer)
	return Ok[wit_world.Answer, wit_world.Failure](answer)
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
