// Agents whose tools no profile takes away.
#include "policy.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "json.h"

static const char PROFILE[] = "{{name}}.no_profile";
static const char PROFILE_PLACE[] = "/tools/profile";

typedef chitin_policy_types_finding_t finding_t;
typedef chitin_policy_types_unassessed_t unassessed_t;
typedef chitin_policy_types_location_t location_t;

// A list with room for one more element, which is filled with zeros.
static void *grown(void *list, size_t length, size_t size) {
  list = realloc(list, (length + 1) * size);
  if (!list) abort();
  memset((char *)list + length * size, 0, size);
  return list;
}

// A text of the contract, made as printf does it.
__attribute__((format(printf, 2, 3))) static void set(policy_string_t *out, const char *format, ...) {
  va_list arguments, again;
  va_start(arguments, format);
  va_copy(again, arguments);
  const size_t length = (size_t)vsnprintf(NULL, 0, format, arguments);
  out->ptr = grown(NULL, length, 1);
  out->len = length;
  vsnprintf((char *)out->ptr, length + 1, format, again);
  va_end(again);
  va_end(arguments);
}

static void set_config(location_t *location, const char *pointer) {
  location->tag = CHITIN_POLICY_TYPES_LOCATION_CONFIG;
  set(&location->val.config, "%s", pointer);
}

static finding_t *add_finding(policy_answer_t *answer, const char *check, chitin_policy_types_severity_t severity) {
  answer->findings.ptr = grown(answer->findings.ptr, answer->findings.len, sizeof(finding_t));
  finding_t *finding = &answer->findings.ptr[answer->findings.len++];
  set(&finding->check_id, "%s", check);
  finding->severity = severity;
  finding->remediation.is_some = true;
  finding->locations.ptr = grown(NULL, 0, sizeof(location_t));
  finding->locations.len = 1;
  return finding;
}

static unassessed_t *add_unassessed(policy_answer_t *answer, const char *check, uint8_t tag) {
  answer->unassessed.ptr = grown(answer->unassessed.ptr, answer->unassessed.len, sizeof(unassessed_t));
  unassessed_t *unassessed = &answer->unassessed.ptr[answer->unassessed.len++];
  set(&unassessed->check_id, "%s", check);
  unassessed->reason.tag = tag;
  return unassessed;
}

// What is known of a value of the config (wit/input.wit, `config`).
typedef enum { ABSENT, SHOWN, SECRET, VARIABLE, REFERENCE, WITHHELD } seen_t;

// The value at a path of keys; `value` begins as the whole config.
static seen_t find(json_t *value, const char *const keys[], size_t length) {
  json_t mark;
  for (size_t i = 0; i < length; i++) {
    const json_t object = *value;
    if (json_member(object, keys[i], value)) continue;
    // The object may have more members than are shown.
    return json_member(object, "$hidden", &mark) && json_is(mark, "withheld") ? WITHHELD : ABSENT;
  }
  if (!json_member(*value, "$hidden", &mark)) return SHOWN;
  if (json_is(mark, "secret")) return SECRET;
  if (json_is(mark, "variable")) return VARIABLE;
  if (json_is(mark, "reference")) return REFERENCE;
  return WITHHELD;
}

static void no_profile(json_t config, policy_answer_t *answer) {
  static const char *const keys[] = {"tools", "profile"};
  const seen_t seen = find(&config, keys, 2);
  if (seen == WITHHELD) {
    // No place: it would tell that something is there.
    unassessed_t *unassessed = add_unassessed(answer, PROFILE, CHITIN_POLICY_TYPES_REASON_WITHHELD);
    set(&unassessed->reason.val.withheld, "config:%s", PROFILE_PLACE);
  } else if (seen == SECRET || seen == VARIABLE || seen == REFERENCE) {
    unassessed_t *unassessed = add_unassessed(answer, PROFILE, CHITIN_POLICY_TYPES_REASON_HIDDEN);
    unassessed->reason.val.hidden = seen == SECRET     ? CHITIN_POLICY_TYPES_HIDDEN_SECRET
                                    : seen == VARIABLE ? CHITIN_POLICY_TYPES_HIDDEN_VARIABLE
                                                       : CHITIN_POLICY_TYPES_HIDDEN_REFERENCE;
    unassessed->location.is_some = true;
    set_config(&unassessed->location.val, PROFILE_PLACE);
  } else if (seen == ABSENT || json_is_null(config) || json_is(config, "full")) {
    finding_t *finding = add_finding(answer, PROFILE, CHITIN_POLICY_TYPES_SEVERITY_INFO);
    set(&finding->title, "No tool profile is set");
    set(&finding->detail, "tools.profile is not set, or \"full\": agents have every tool that nothing else takes away.");
    set(&finding->remediation.val, "Set tools.profile, for example to \"messaging\"");
    set_config(&finding->locations.ptr[0], PROFILE_PLACE);
  }
}

bool exports_policy_audit(policy_input_t *input, policy_answer_t *answer, policy_failure_t *failure) {
  json_t config;
  if (!json_read((const char *)input->config.ptr, input->config.len, &config)) {
    failure->tag = CHITIN_POLICY_TYPES_FAILURE_INCONCLUSIVE;
    set(&failure->val.inconclusive, "the config is not JSON");
    return false;
  }
  memset(answer, 0, sizeof *answer);
  no_profile(config, answer);
  return true;
}
