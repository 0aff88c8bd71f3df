// Backups that other accounts can read, and agents whose tools no profile takes away.
#include "policy.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "json.h"

// policy.toml becomes a custom section of the module; the runner finds it there.
__asm__(".section \".custom_section.chitin-manifest\",\"\",@\n.incbin \"policy.toml\"\n.text\n");

static const char BACKUP[] = "mine.backup_readable";
static const char PROFILE[] = "mine.no_profile";
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

static void set_object(location_t *location, policy_string_t name) {
  location->tag = CHITIN_POLICY_TYPES_LOCATION_OBJECT;
  set(&location->val.object.view, "state");
  policy_string_dup_n(&location->val.object.rel, (const char *)name.ptr, name.len);
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

static bool equals(policy_string_t text, const char *other) {
  return text.len == strlen(other) && memcmp(text.ptr, other, text.len) == 0;
}

static bool contains(policy_string_t text, const char *part) {
  const size_t length = strlen(part);
  for (size_t i = 0; i + length <= text.len; i++)
    if (memcmp(text.ptr + i, part, length) == 0) return true;
  return false;
}

// A path that a shell takes as it is, and that does not stand encoded here ("%").
static bool is_plain(policy_string_t path) {
  static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._-";
  for (size_t i = 0; i < path.len; i++)
    if (!memchr(plain, path.ptr[i], sizeof plain - 1)) return false;
  return true;
}

// Why the state directory could not be listed. Nothing is said where there is none: it has no backups.
static void not_listed(const chitin_policy_state_error_t *error, policy_string_t root, policy_answer_t *answer) {
  if (error->tag == CHITIN_POLICY_STATE_ERROR_NOT_FOUND) return;
  if (error->tag == CHITIN_POLICY_STATE_ERROR_NOT_GRANTED) {
    unassessed_t *unassessed = add_unassessed(answer, BACKUP, CHITIN_POLICY_TYPES_REASON_WITHHELD);
    set(&unassessed->reason.val.withheld, "list:state");
    return;
  }
  unassessed_t *unassessed = add_unassessed(answer, BACKUP, CHITIN_POLICY_TYPES_REASON_UNREADABLE);
  policy_string_t why = {0};
  if (error->tag == CHITIN_POLICY_STATE_ERROR_IO)
    why = error->val.io;
  else if (error->tag == CHITIN_POLICY_STATE_ERROR_DENIED)
    set(&why, "permission denied");
  else
    set(&why, "error %d", error->tag);
  set(&unassessed->reason.val.unreadable, "cannot look at %.*s: %.*s", (int)root.len, (const char *)root.ptr, (int)why.len,
      (const char *)why.ptr);
  unassessed->location.is_some = true;
  set_object(&unassessed->location.val, (policy_string_t){0});
}

static void readable_backups(const policy_input_t *input, policy_answer_t *answer) {
  policy_string_t root = {(uint8_t *)"state", 5};
  for (size_t i = 0; i < input->views.len; i++)
    if (equals(input->views.ptr[i].name, "state")) root = input->views.ptr[i].display;
  chitin_policy_state_path_t directory = {0};
  policy_string_set(&directory.view, "state");
  chitin_policy_state_list_entry_t entries = {0};
  chitin_policy_state_error_t error;
  if (!chitin_policy_state_list_entries(&directory, &entries, &error)) {
    not_listed(&error, root, answer);
    return;
  }
  const uint32_t allowed = input->permissions.file;
  for (size_t i = 0; i < entries.len; i++) {
    const chitin_policy_state_entry_t *entry = &entries.ptr[i];
    const uint32_t mode = entry->metadata.mode;
    if (entry->metadata.kind != CHITIN_POLICY_STATE_KIND_FILE || !contains(entry->name, ".bak") ||
        (mode & 044 & ~allowed) == 0)
      continue;
    finding_t *finding = add_finding(answer, BACKUP, CHITIN_POLICY_TYPES_SEVERITY_WARN);
    set(&finding->title, "Other accounts can read a backup");
    set(&finding->detail,
        "The file has mode %03o: others can read the tokens that were in the config when it was saved.",
        (unsigned)mode & 0777);
    if (is_plain(root) && is_plain(entry->name))
      set(&finding->remediation.val, "Run: chmod %03o %.*s/%.*s", (unsigned)allowed, (int)root.len,
          (const char *)root.ptr, (int)entry->name.len, (const char *)entry->name.ptr);
    else
      set(&finding->remediation.val, "Take from group and others the permission to read it");
    set_object(&finding->locations.ptr[0], entry->name);
  }
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
  readable_backups(input, answer);
  no_profile(config, answer);
  return true;
}
