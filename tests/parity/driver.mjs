// Runs the reference program's own audit over many installations in one process, because each start of its command
// takes seconds. It only calls what the installed package exports: the command itself, and what runs before it.
//
// One request a line on standard input: {"home", "env", "args", "registry"}. One answer a line on standard output:
// {"findings": ["checkId:severity", ...], "audited": [...], "configured": [...]} or {"refused": "invalid" | "crash", "message"}.
// A request with "rows" only puts a database with these rows into the home directory.
// "audited" are the channels whose plugins are in the package: of others the reference says nothing. A finding that the config
// suppresses is a finding here.
//
// What the program does before an audit is done here too, in its order: `.env` files, the check of the config. Before
// 2026.4.5 the command loads no channel plugins; with "registry" they are there, as `status` has them. What one process
// cannot do faithfully twice (legacy directories, options before the command) is given to the real command. `make parity ARGS=recorded` and `ARGS=driver` prove it.

import { spawn } from "node:child_process";
import fs from "node:fs";
import { registerHooks } from "node:module";
import path from "node:path";
import readline from "node:readline";
import { pathToFileURL } from "node:url";

const root = path.resolve(process.argv[2], "node_modules/openclaw");
const dist = path.join(root, "dist");
const release = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8")).version.split(".").map(Number);
const LEGACY = [".clawdbot", ".moldbot", ".moltbot"];

/** What plugins of some releases import, and no check looks into. */
const ABSENT = /^(libsignal|@vector-im\/matrix-bot-sdk)(\/|$)/;

/** What the program remembers of an installation, and forgets by these. Each release has some of them. */
const FORGET = [
  "resetConfigGuardStateForTests", "resetPluginCache", "clearConfigCache", "clearRuntimeConfigSnapshot",
  "resetConfigRuntimeState", "resetConfigOverrides", "resetPublishedConfigRuntimeEnv", "closeOpenClawStateDatabaseAsync",
  "closeOpenClawStateDatabase",
  "closeOpenClawAgentDatabases", "closeOpenClawAgentDatabasesForTest", "closeAuthProfileReadPool",
  "clearOpenClawAgentDatabaseValidationCache", "clearBundledDiscoveryModeMemo", "clearPluginMetadataLifecycleCaches",
  "clearCurrentPluginMetadataSnapshot", "clearLoadInstalledPluginIndexInstallRecordsCache", "clearExecutablePathCache",
  "clearShellEnvAppliedKeys", "resetLegacyDeviceAuthPresenceCache", "resetExecApprovalsMigrationGateForTest",
  "resetPluginRuntimeStateForTest", "clearPluginRegistryLoadCache", "clearPluginLoaderCache",
  "clearRuntimeAuthProfileStoreSnapshots", "clearAuthProfileMigrationDiagnostics", "clearPluginManifestRegistryCache",
  "clearPluginRuntimeArtifactResolutionMemo", "clearSecretsRuntimeSnapshotState", "clearPluginDiscoveryCache",
  "clearPluginManifestRegistryCacheForTest", "clearBundledPluginMetadataCache", "clearPluginMetadataSnapshotCache",
];

/** Ends a request where the command would end its process. */
class Exit extends Error {}

const answer = (value) => fs.writeSync(1, JSON.stringify(value) + "\n");
const since = (year, month, patch) =>
  release[0] - year || release[1] - month || parseInt(release[2], 10) - patch;

// The reference prints boxes and warnings; standard output belongs to the answers.
let [out, err] = ["", ""];
const sink = (keep) => (chunk, encoding, done) => {
  keep(String(chunk));
  (typeof encoding === "function" ? encoding : done)?.();
  return true;
};

process.umask(0o022);
process.exit = (code) => {
  throw new Exit(`exit ${code}`);
};
process.stdout.write = sink((text) => (out += text));
process.stderr.write = sink((text) => (err = (err + text).slice(-8000)));
process.on("unhandledRejection", () => {});

const loaded = new Set();
registerHooks({
  resolve: (name, context, next) => ABSENT.test(name)
    ? { url: new URL("absent.cjs", import.meta.url).href, format: "commonjs", shortCircuit: true }
    : next(name, context),
  load: (url, context, next) => {
    if (url.startsWith(pathToFileURL(dist).href)) loaded.add(url);
    return next(url, context);
  },
});

const files = new Map();
const closures = new Map();
const modules = await load();
const bundled = channelsOfThePackage();
const everyChannel = modules.loadOpenClawPlugins ? channels() : undefined;

function text(file) {
  if (!files.has(file)) files.set(file, fs.readFileSync(path.join(dist, file), "utf8"));
  return files.get(file);
}

/** The files that a file imports, directly or not. */
function closure(file) {
  if (closures.has(file)) return closures.get(file);
  const all = new Set();
  const read = (name) => {
    if (all.has(name) || !fs.existsSync(path.join(dist, name))) return;
    all.add(name);
    for (const [, next] of text(name).matchAll(/^(?:import|export)[^;]*?"\.\/([^"/]+\.m?js)"/gm)) read(next);
  };
  read(file);
  closures.set(file, all);
  return all;
}

/** What a file exports: inner name to outer name. */
function exported(file) {
  const names = text(file).match(/^export \{([^}]*)\};?\s*$/m)?.[1] ?? "";
  return new Map(names.split(",").map((part) => part.trim().split(" as ")).map(([inner, outer]) => [inner, outer ?? inner]));
}

/** The command's own module, and of each other thing the copy that belongs to it. */
async function load() {
  const all = fs.readdirSync(dist).filter((file) => /\.m?js$/.test(file));
  const commands = all.filter((file) => file.startsWith("security-cli") && exported(file).has("registerSecurityCli"));
  const command = commands.find((file) => !closure(file).has("entry.js"));
  if (!command) throw new Error(`${dist} has no command that can be called`);
  const own = closure(command);
  const shared = (file) => [...closure(file)].filter((name) => own.has(name)).length;
  const find = async (name) => {
    const defines = new RegExp(`^(?:(?:async )?function|const) ${name}\\b`, "m");
    const places = all.filter((file) => exported(file).has(name) && defines.test(text(file)));
    const safe = places.filter((file) => !closure(file).has("entry.js"));
    const [place] = safe.sort((one, other) => own.has(other) - own.has(one) || shared(other) - shared(one));
    return place && (await import(pathToFileURL(path.join(dist, place)).href))[exported(place).get(name)];
  };
  const names = [
    "ensureConfigReady", "readConfigFileSnapshot", "loadDotEnv", "loadCliDotEnv", "normalizeEnv", "loadConfig",
    "setActivePluginRegistry", "createEmptyPluginRegistry",
  ];
  if (since(2026, 5, 1) > 0) names.push("setRuntimeConfigSnapshot", "listReadOnlyChannelPluginsForConfig");
  else if (since(2026, 4, 5) >= 0) names.push("listChannelPlugins");
  if (since(2026, 4, 5) < 0) {
    names.push("applyPluginAutoEnable", "normalizePluginsConfig", "loadOpenClawPlugins");
    names.push(since(2026, 2, 21) < 0 ? "resolveEnableState" : "resolveEffectiveEnableState");
  }
  const found = {};
  for (const name of names) found[name] = await find(name);
  const { registerSecurityCli } = await import(pathToFileURL(path.join(dist, command)).href);
  return { ...found, command: action(registerSecurityCli) };
}

/** The function that the command runs, as it is given to the parser of command lines. */
function action(register) {
  const actions = {};
  let name;
  const program = new Proxy({}, {
    get: (_, method) => (...values) => {
      if (method === "command") name = values[0];
      if (method === "action") actions[name] = values[0];
      return program;
    },
  });
  register(program);
  return actions.audit;
}

/** Lets the program forget the last installation. New modules are loaded now and then, so this looks each time. */
const forgetters = new Map();
async function forget() {
  for (const url of loaded) {
    if (forgetters.has(url)) continue;
    forgetters.set(url, []);
    const file = path.relative(dist, new URL(url).pathname);
    if (file.includes("/")) continue;
    const names = exported(file);
    const known = FORGET.filter((name) => names.has(name));
    const tests = ["testApi", "__test__"].filter((name) => names.has(name));
    if (known.length + tests.length === 0) continue;
    const module = await import(url);
    for (const name of known) forgetters.get(url).push(module[names.get(name)]);
    for (const name of tests) {
      for (const inner of FORGET) {
        const reset = module[names.get(name)]?.[inner];
        if (reset) forgetters.get(url).push(reset);
      }
    }
  }
  for (const reset of [...forgetters.values()].flat()) await reset();
}

/** The channels whose plugins lie in the package. */
function channelsOfThePackage() {
  const folders = [path.join(root, "extensions"), path.join(dist, "extensions")];
  const ids = new Set();
  for (const folder of folders.filter((folder) => fs.existsSync(folder))) {
    for (const id of fs.readdirSync(folder)) {
      try {
        const manifest = JSON.parse(fs.readFileSync(path.join(folder, id, "openclaw.plugin.json"), "utf8"));
        for (const channel of manifest.channels ?? []) ids.add(channel);
      } catch {}
    }
  }
  return [...ids];
}

/** All channel plugins of the package. The home directory is empty yet: no code of an installation is run. */
function channels() {
  const entries = fs.readdirSync(path.join(root, "extensions")).map((id) => [id, { enabled: true }]);
  return modules.loadOpenClawPlugins({
    config: { plugins: { entries: Object.fromEntries(entries) } },
    cache: false,
    logger: { info() {}, warn() {}, error() {}, debug() {} },
  });
}

/** The plugins that are there once the reference's own rule has enabled what is configured. */
function registry(config) {
  const enabled = modules.applyPluginAutoEnable({ config, env: process.env }).config;
  const plugins = modules.normalizePluginsConfig(enabled.plugins);
  const state = (id) => modules.resolveEffectiveEnableState
    ? modules.resolveEffectiveEnableState({ id, origin: "bundled", config: plugins, rootConfig: enabled })
    : modules.resolveEnableState(id, "bundled", plugins);
  const loaded = everyChannel.channels.filter((entry) => state(entry.pluginId).enabled);
  return { ...everyChannel, channels: loaded };
}

/** The channels whose default account has a login, as their plugins see it: the audit passes over the others. */
async function withLogin(entries, config) {
  const ids = [];
  for (const { plugin } of entries) {
    const accounts = plugin.config.listAccountIds(config);
    const account = plugin.config.resolveAccount(config, plugin.config.defaultAccountId?.(config) ?? accounts[0] ?? "default");
    const [enabled, configured] = [plugin.config.isEnabled, plugin.config.isConfigured];
    if ((enabled?.(account, config) ?? true) && ((await configured?.(account, config)) ?? true)) ids.push(plugin.id);
  }
  return ids;
}

async function audit(request) {
  if (everyChannel) modules.setActivePluginRegistry(modules.createEmptyPluginRegistry());
  (modules.loadCliDotEnv ?? modules.loadDotEnv)({ quiet: true });
  modules.normalizeEnv();
  const guarded = await guard(request);
  if (guarded) return guarded;
  let [audited, configured] = [everyChannel ? [] : bundled, everyChannel ? [] : bundled];
  if (request.registry && everyChannel) {
    const config = modules.loadConfig();
    const active = registry(config);
    modules.setActivePluginRegistry(active);
    audited = active.channels.map((entry) => entry.plugin.id);
    configured = await withLogin(active.channels, config);
  }
  out = "";
  await modules.command({ json: true, deep: request.args.includes("--deep") });
  if (!everyChannel) [audited, configured] = await channelsOfTheCommand(request);
  return { findings: findings(report(out)), audited, configured };
}

/** The channels that the command itself looked at, from 2026.4.5 on, and those of them that have a login. */
async function channelsOfTheCommand(request) {
  const config = modules.loadConfig();
  const plugins = modules.listReadOnlyChannelPluginsForConfig?.(config, {
    activationSourceConfig: config,
    env: process.env,
    stateDir: process.env.OPENCLAW_STATE_DIR ?? path.join(request.home, ".openclaw"),
    includePersistedAuthState: true,
    includeSetupFallbackPlugins: true,
  }) ?? modules.listChannelPlugins();
  // Some are there by name alone, without checks.
  const audited = plugins.filter((plugin) => plugin.security);
  return [audited.map((plugin) => plugin.id), await withLogin(audited.map((plugin) => ({ plugin })), config)];
}

/**
 * What the program says of the config before it runs a command; nothing where it goes on. It also moves the state of older
 * releases, which takes long and changes nothing where there is none: that is done only where it may matter.
 */
async function guard(request) {
  const before = await checked();
  if (before || since(2026, 2, 19) <= 0 || !hasOlderState(request.home)) return before;
  const runtime = { log() {}, error: (text) => (err += `${text}\n`), exit: process.exit };
  try {
    await modules.ensureConfigReady({ runtime, commandPath: ["security", "audit"], suppressDoctorStdout: true });
    return undefined;
  } catch (error) {
    if (!(error instanceof Exit)) throw error;
  }
  return (await checked()) ?? { refused: "crash", message: err.slice(-2000) };
}

async function checked() {
  const snapshot = await modules.readConfigFileSnapshot();
  const issues = [...snapshot.issues, ...(snapshot.legacyIssues ?? [])];
  const message = issues.map((issue) => `${issue.path}: ${issue.message}`).join("\n");
  if (snapshot.exists && !snapshot.valid) return { refused: "invalid", message };
  modules.setRuntimeConfigSnapshot?.(snapshot.runtimeConfig ?? snapshot.config, snapshot.sourceConfig);
  return undefined;
}

/** Files that a later release moves into its database. */
function hasOlderState(home) {
  const state = path.join(home, ".openclaw");
  const there = (...names) => names.some((name) => fs.existsSync(path.join(state, name)));
  return there("agent", "agents", "sessions", "exec-approvals.json", "plugins", "credentials") || process.env.OPENCLAW_STATE_DIR;
}

/**
 * Puts the program's own database into an installation, with rows of ours: `table` to a list of rows. Before 2026.6.1 there is
 * none.
 */
async function prepare(request) {
  const place = path.join(request.home, ".openclaw/state/openclaw.sqlite");
  const template = await database(request.home);
  if (!template) return { prepared: false };
  fs.mkdirSync(path.dirname(place), { recursive: true, mode: 0o700 });
  fs.writeFileSync(place, template, { mode: 0o600 });
  const { DatabaseSync } = process.getBuiltinModule("node:sqlite");
  const db = new DatabaseSync(place);
  for (const [table, rows] of Object.entries(request.rows)) {
    const known = new Set(db.prepare(`PRAGMA table_info(${table})`).all().map((column) => column.name));
    for (const row of known.size ? rows : []) {
      for (const name of REQUIRED) if (known.has(name)) row[name] ??= 0;
      const names = Object.keys(row).filter((name) => known.has(name));
      const values = names.map((name) => (typeof row[name] === "string" ? row[name].replaceAll("$HOME", request.home) : row[name]));
      db.prepare(`INSERT INTO ${table} (${names}) VALUES (${names.map(() => "?")})`).run(...values);
    }
  }
  db.close();
  return { prepared: true };
}

/** Columns that a row must have, and no check reads. */
const REQUIRED = ["updated_at", "updated_at_ms", "created_at_ms", "has_socket_token", "agent_count", "allowlist_count", "sort_order"];

/** An empty database as the program makes it, once for all. */
let template;
async function database(home) {
  const kept = `${home}-openclaw.sqlite`;
  if (template !== undefined) return template;
  if (since(2026, 6, 1) < 0) return (template = null);
  if (!fs.existsSync(kept)) {
    const empty = `${home}-empty`;
    fs.mkdirSync(path.join(empty, ".openclaw"), { recursive: true, mode: 0o700 });
    fs.writeFileSync(path.join(empty, ".openclaw/openclaw.json"), "{}", { mode: 0o600 });
    await command({ home: empty, env: {}, args: [] });
    const made = path.join(empty, ".openclaw/state/openclaw.sqlite");
    if (!fs.existsSync(made)) return (template = null);
    const { DatabaseSync } = process.getBuiltinModule("node:sqlite");
    const db = new DatabaseSync(made);
    db.exec(`PRAGMA wal_checkpoint(TRUNCATE); VACUUM INTO '${kept.replaceAll("'", "''")}'`);
    db.close();
    fs.rmSync(empty, { recursive: true });
  }
  return (template = fs.readFileSync(kept));
}

const findings = (report) =>
  [...report.findings, ...(report.suppressedFindings ?? [])].map((finding) => `${finding.checkId}:${finding.severity}`);

/** The report in what was printed: some releases print notes before it. */
function report(text) {
  const start = text.search(/^\{/m);
  if (start < 0) throw new Error(`no report: ${text.slice(-500)}`);
  return JSON.parse(text.slice(start));
}

/** The real command, for what cannot be done twice in one process. */
async function command(request) {
  const args = request.args.includes("security") ? request.args : ["security", "audit", ...request.args];
  if (!args.includes("--json")) args.push("--json");
  const child = spawn(process.execPath, [path.join(root, "openclaw.mjs"), ...args], {
    cwd: request.home,
    env: { ...environment(request), OPENCLAW_NO_RESPAWN: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [out, err] = ["", ""];
  child.stdout.on("data", (chunk) => (out += chunk));
  child.stderr.on("data", (chunk) => (err += chunk));
  const code = await new Promise((resolve) => child.on("close", resolve));
  const start = out.search(/^\{/m);
  if (code !== 0 || start < 0) {
    const message = (err + out).slice(-4000);
    return { refused: /Config invalid|Invalid config|config is invalid/.test(message) ? "invalid" : "crash", message };
  }
  // Before 2026.4.5 the command itself loads no channels.
  const ids = everyChannel ? [] : bundled;
  return { findings: findings(JSON.parse(out.slice(start))), audited: ids, configured: ids };
}

/** Nothing but an `npm` without packages is on its path: later releases ask for plugins that are missing. */
function environment(request) {
  const env = { PATH: new URL("bin", import.meta.url).pathname, HOME: request.home, LANG: "C.UTF-8", npm_config_offline: "true" };
  for (const [name, value] of Object.entries(request.env)) env[name] = value.replaceAll("$HOME", request.home);
  return env;
}

/** The process as the command would find it: its environment, its directory, no cache of another installation. */
async function inThisProcess(request) {
  for (const name of Object.keys(process.env)) delete process.env[name];
  Object.assign(process.env, environment(request));
  Object.assign(process.env, { OPENCLAW_CONFIG_CACHE_MS: "0", OPENCLAW_PLUGIN_MANIFEST_CACHE_MS: "60000" });
  // Later releases start threads for each installation, which load much code.
  process.env.NODE_COMPILE_CACHE = path.resolve(process.argv[2], "compiled");
  process.chdir(request.home);
  try {
    await forget();
    return await audit(request);
  } catch (error) {
    // The thread of the last installation was not done with its database.
    if (/worker owner is active/.test(String(error))) return await command(request);
    return { refused: "crash", message: error instanceof Exit ? err.slice(-2000) : String(error?.stack ?? error) };
  } finally {
    await forget().catch(() => {});
    process.chdir("/");
  }
}

/** Legacy directories are moved once in a process; the folder of managed skills is decided when it starts. */
function needsTheCommand(request) {
  const moved = request.env.OPENCLAW_STATE_DIR ?? request.env.CLAWDBOT_STATE_DIR;
  const words = request.args.filter((arg) => arg !== "--json" && arg !== "--deep").join(" ");
  return request.command
    || !["", "security audit"].includes(words)
    || (request.args.includes("--deep") && moved)
    || LEGACY.some((name) => fs.lstatSync(path.join(request.home, name), { throwIfNoEntry: false }));
}

answer({ ready: true });
for await (const line of readline.createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  [out, err] = ["", ""];
  answer(request.rows ? await prepare(request) : needsTheCommand(request) ? await command(request) : await inThisProcess(request));
}
process.reallyExit(0);
