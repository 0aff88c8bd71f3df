// A reader of JSON text (RFC 8259). A value is where it begins in the text; nothing is allocated.
#pragma once

#include <stdbool.h>
#include <string.h>

typedef struct {
  const char *at, *end;
} json_t;

// Deeper values are refused, so that a recursion ends.
#define JSON_DEPTH 128

static const char *json_space(const char *at, const char *end) {
  while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r')) at++;
  return at;
}

// Reads one character of a string, where `*at` is not its closing quote. Gives its code (of "\u" escapes and of UTF-8 one
// unit each), or -1 where it is malformed.
static int json_character(const char **at, const char *end) {
  const char *from = *at, *escaped;
  static const char names[] = "\"\\/bfnrt", codes[] = "\"\\/\b\f\n\r\t";
  if (from >= end || (unsigned char)*from < 0x20) return -1;
  *at = from + 1;
  if (*from != '\\') return (unsigned char)*from;
  if (++from >= end) return -1;
  *at = from + 1;
  if (*from != 'u') return *from && (escaped = strchr(names, *from)) ? codes[escaped - names] : -1;
  if (end - from < 5) return -1;
  int code = 0;
  for (int i = 1; i <= 4; i++) {
    static const char digits[] = "0123456789abcdef";
    const char c = from[i] >= 'A' && from[i] <= 'F' ? from[i] + 32 : from[i];
    const char *digit = c ? strchr(digits, c) : NULL;
    if (!digit) return -1;
    code = code * 16 + (int)(digit - digits);
  }
  *at = from + 5;
  return code;
}

// The end of the string that begins with the quote at `at`, or NULL.
static const char *json_string_end(const char *at, const char *end) {
  for (at++; at < end && *at != '"';)
    if (json_character(&at, end) < 0) return NULL;
  return at < end ? at + 1 : NULL;
}

static const char *json_number_end(const char *at, const char *end) {
  const char *digits;
#define JSON_DIGITS                                           \
  for (digits = at; at < end && *at >= '0' && *at <= '9';) at++; \
  if (at == digits) return NULL
  if (at < end && *at == '-') at++;
  if (at < end && *at == '0') {
    at++;
  } else {
    JSON_DIGITS;
  }
  if (at < end && *at == '.') {
    at++;
    JSON_DIGITS;
  }
  if (at < end && (*at == 'e' || *at == 'E')) {
    at++;
    if (at < end && (*at == '+' || *at == '-')) at++;
    JSON_DIGITS;
  }
#undef JSON_DIGITS
  return at;
}

// The end of the value that begins at `at`, or NULL where it is malformed.
static const char *json_end(const char *at, const char *end, int depth) {
  static const char *const words[] = {"null", "true", "false"};
  if (at >= end || depth > JSON_DEPTH) return NULL;
  for (int i = 0; i < 3; i++) {
    const size_t length = strlen(words[i]);
    if ((size_t)(end - at) >= length && memcmp(at, words[i], length) == 0) return at + length;
  }
  if (*at == '"') return json_string_end(at, end);
  if (*at != '{' && *at != '[') return json_number_end(at, end);
  const bool is_object = *at == '{';
  const char close = is_object ? '}' : ']';
  at = json_space(at + 1, end);
  if (at < end && *at == close) return at + 1;
  for (;;) {
    if (is_object) {
      if (at >= end || *at != '"' || !(at = json_string_end(at, end))) return NULL;
      at = json_space(at, end);
      if (at >= end || *at++ != ':') return NULL;
      at = json_space(at, end);
    }
    if (!(at = json_end(at, end, depth + 1))) return NULL;
    at = json_space(at, end);
    if (at >= end) return NULL;
    if (*at == close) return at + 1;
    if (*at++ != ',') return NULL;
    at = json_space(at, end);
  }
}

// Reads a text that is one value. Says whether it is; the other functions are for values of such a text.
static bool json_read(const char *text, size_t length, json_t *value) {
  const char *end = text + length, *at = json_space(text, end), *after = json_end(at, end, 0);
  *value = (json_t){at, end};
  return after && json_space(after, end) == end;
}

// It is this text of ASCII characters.
static bool json_is(json_t value, const char *text) {
  if (*value.at != '"') return false;
  for (value.at++; *value.at != '"'; text++)
    if (json_character(&value.at, value.end) != (unsigned char)*text || !*text) return false;
  return !*text;
}

static bool json_is_null(json_t value) { return *value.at == 'n'; }

// The member of an object. Says whether there is one; there is none where the value is no object.
static bool json_member(json_t value, const char *key, json_t *member) {
  if (*value.at != '{') return false;
  const char *at = json_space(value.at + 1, value.end);
  while (*at == '"') {
    const json_t name = {at, value.end};
    // Past the colon.
    at = json_space(json_string_end(at, value.end), value.end) + 1;
    at = json_space(at, value.end);
    if (json_is(name, key)) {
      *member = (json_t){at, value.end};
      return true;
    }
    at = json_space(json_end(at, value.end, 0), value.end);
    if (*at == ',') at = json_space(at + 1, value.end);
  }
  return false;
}
