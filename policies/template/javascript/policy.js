// Agents whose tools no profile takes away.

const PROFILE = "{{name}}.no_profile";
const PLACE = "/tools/profile";

/** What the contract's world exports. */
export function audit(input) {
  let config;
  try {
    config = JSON.parse(input.config);
  } catch (error) {
    throw { tag: "inconclusive", val: `the config is not JSON: ${error.message}` };
  }
  const answer = { findings: [], unassessed: [] };
  noProfile(config, answer);
  return answer;
}

function noProfile(config, answer) {
  const { value, open } = find(config, PLACE);
  if (open) {
    answer.unassessed.push({ checkId: PROFILE, ...open });
  } else if (value === undefined || value === null || value === "full") {
    answer.findings.push({
      checkId: PROFILE,
      severity: "info",
      title: "No tool profile is set",
      detail: 'tools.profile is not set, or "full": agents have every tool that nothing else takes away.',
      remediation: 'Set tools.profile, for example to "messaging"',
      locations: [{ tag: "config", val: PLACE }],
      fixes: [],
    });
  }
}

/** `value` at a place such as "/tools/profile", undefined where it is absent, or `open`: why it is not shown (wit/input.wit, `config`). */
function find(value, place) {
  const keys = place.split("/").slice(1).map((key) => key.replaceAll("~1", "/").replaceAll("~0", "~"));
  // Without a place: it would tell that something is there.
  const withheld = { open: { reason: { tag: "withheld", val: `config:${place}` } } };
  const member = (object, key) =>
    typeof object === "object" && object !== null && Object.hasOwn(object, key) ? object[key] : undefined;
  for (const key of keys) {
    const found = member(value, key);
    // The object may have more members than are shown.
    if (found === undefined) return member(value, "$hidden") === "withheld" ? withheld : { value: found };
    value = found;
  }
  const mark = member(value, "$hidden");
  if (mark === undefined) return { value };
  if (!["secret", "variable", "reference"].includes(mark)) return withheld;
  return { open: { reason: { tag: "hidden", val: mark }, location: { tag: "config", val: place } } };
}
