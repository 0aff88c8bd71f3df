// Backups that other accounts can read, and agents whose tools no profile takes away.
import { listEntries } from "chitin:policy/state@1.0.0";

const BACKUP = "mine.backup_readable";
const PROFILE = "mine.no_profile";
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
  readableBackups(input, answer);
  noProfile(config, answer);
  return answer;
}

const inState = (rel) => ({ tag: "object", val: { view: "state", rel } });

function readableBackups(input, answer) {
  const root = input.views.find((view) => view.name === "state")?.display ?? "state";
  let entries;
  try {
    entries = listEntries({ view: "state", rel: "" });
  } catch (error) {
    notListed(error.payload ?? error, root, answer);
    return;
  }
  const allowed = input.permissions.file;
  for (const { name, metadata } of entries) {
    if (metadata.kind !== "file" || !name.includes(".bak") || (metadata.mode & 0o044 & ~allowed) === 0) continue;
    const path = `${root.replace(/\/+$/, "")}/${name}`;
    // Any other path would have to be quoted for a shell, or stands encoded here ("%").
    const isPlain = /^[A-Za-z0-9/._-]+$/.test(path);
    answer.findings.push({
      checkId: BACKUP,
      severity: "warn",
      title: "Other accounts can read a backup",
      detail: `The file has mode ${octal(metadata.mode & 0o777)}: others can read the tokens that were in the config when it was saved.`,
      remediation: isPlain ? `Run: chmod ${octal(allowed)} ${path}` : "Take from group and others the permission to read it",
      locations: [inState(name)],
      fixes: [],
    });
  }
}

const octal = (mode) => mode.toString(8).padStart(3, "0");

/** Why the state directory could not be listed. Nothing is said where there is none: it has no backups. */
function notListed({ tag, val }, root, answer) {
  if (tag === "not-found") return;
  if (tag === "not-granted") {
    answer.unassessed.push({ checkId: BACKUP, reason: { tag: "withheld", val: "list:state" } });
    return;
  }
  const why = { denied: "permission denied", io: val }[tag] ?? tag;
  const reason = { tag: "unreadable", val: `cannot look at ${root}: ${why}` };
  answer.unassessed.push({ checkId: BACKUP, reason, location: inState("") });
}

function noProfile(config, answer) {
  const { value, open } = find(config, "tools", "profile");
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

/** `value` at a path of keys, undefined where it is absent, or `open`: why it is not shown (wit/input.wit, `config`). */
function find(value, ...keys) {
  // Without a place: it would tell that something is there.
  const withheld = { open: { reason: { tag: "withheld", val: `config:${PLACE}` } } };
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
  return { open: { reason: { tag: "hidden", val: mark }, location: { tag: "config", val: PLACE } } };
}
