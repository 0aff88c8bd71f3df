// Runs the reference program's own audit over many installations in one process, because each start of its command
// takes seconds. It only calls what the installed package exports: it finds the audit's module through the command's.
//
// One request a line on standard input: {"home", "env", "args", "registry"}. One answer a line on standard output:
// {"findings": ["checkId:severity", ...], "audited": [...], "configured": [...]} or {"refused": "invalid" | "crash", "message"}.
//
// What the command does before an audit is done here too, in its order: `.env` files, the check of the config, the config's
// `env` block. With "registry" the channel plugins are there, as the reference's `status` has them; the command itself
// never loads them. What one process cannot do faithfully twice (legacy directories, options before the command) is
// given to the real command. `make parity ARGS=recorded` proves it all against the recorded cases.

import { spawn } from "node:child_process";
import fs from "node:fs";
import { registerHooks } from "node:module";
import path from "node:path";
import readline from "node:readline";
import { pathToFileURL } from "node:url";

const root = path.resolve(process.argv[2], "node_modules/openclaw");
const dist = path.join(root, "dist");
const LEGACY = [".clawdbot", ".moldbot", ".moltbot"];

/** What the channel plugins import, and no check looks into. */
const ABSENT = /^(libsignal|@vector-im\/matrix-bot-sdk)(\/|$)/;

/** Ends a request where the command would end its process. */
class Exit extends Error {}

const answer = (value) => fs.writeSync(1, JSON.stringify(value) + "\n");

// The reference prints boxes and warnings; standard output belongs to the answers.
let printed = "";
const sink = (chunk, encoding, done) => {
  printed = (printed + chunk).slice(-4000);
  (typeof encoding === "function" ? encoding : done)?.();
  return true;
};

process.umask(0o022);
process.exit = (code) => {
  throw new Exit(`exit ${code}`);
};
process.stdout.write = sink;
process.stderr.write = sink;

registerHooks({
  resolve: (name, context, next) => ABSENT.test(name)
    ? { url: new URL("absent.cjs", import.meta.url).href, format: "commonjs", shortCircuit: true }
    : next(name, context),
});

const modules = await load();
const everyChannel = channels();

/** What the package's `main` leads to: the same code as the command's, without its start. */
async function load() {
  const texts = new Map();
  const read = (file) => {
    if (texts.has(file)) return;
    texts.set(file, fs.readFileSync(path.join(dist, file), "utf8"));
    for (const [, next] of texts.get(file).matchAll(/(?:from|import)[ (]*"\.\/([^"/]+\.js)"/g)) read(next);
  };
  read("index.js");
  const find = async (name) => {
    for (const [file, text] of texts) {
      const names = text.match(/^export \{([^}]*)\};?\s*$/m)?.[1] ?? "";
      const known = names.split(",").map((part) => part.trim().split(" as "));
      const found = known.find(([inner]) => inner === name);
      if (!found || !new RegExp(`^(?:(?:async )?function|const) ${name}\\b`, "m").test(text)) continue;
      return (await import(pathToFileURL(path.join(dist, file)).href))[found[1] ?? name];
    }
    throw new Error(`${dist} exports no ${name}`);
  };
  const names = [
    "runSecurityAudit", "readConfigFileSnapshot", "loadConfig", "loadDotEnv", "normalizeEnv",
    "applyPluginAutoEnable", "normalizePluginsConfig", "resolveEnableState",
    "setActivePluginRegistry", "createEmptyPluginRegistry", "loadOpenClawPlugins", "clearPluginManifestRegistryCache",
  ];
  return Object.fromEntries(await Promise.all(names.map(async (name) => [name, await find(name)])));
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
  const loaded = everyChannel.channels.filter((entry) => modules.resolveEnableState(entry.pluginId, "bundled", plugins).enabled);
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
  modules.setActivePluginRegistry(modules.createEmptyPluginRegistry());
  modules.loadDotEnv({ quiet: true });
  modules.normalizeEnv();
  const snapshot = await modules.readConfigFileSnapshot();
  if (snapshot.exists && !snapshot.valid) {
    return { refused: "invalid", message: snapshot.issues.map((issue) => `${issue.path}: ${issue.message}`).join("\n") };
  }
  const config = modules.loadConfig();
  let [audited, configured] = [[], []];
  if (request.registry) {
    const active = registry(config);
    modules.setActivePluginRegistry(active);
    audited = active.channels.map((entry) => entry.plugin.id);
    configured = await withLogin(active.channels, config);
  }
  const report = await modules.runSecurityAudit({
    config,
    deep: request.args.includes("--deep"),
    deepTimeoutMs: 250,
    includeFilesystem: true,
    includeChannelSecurity: true,
  });
  return { findings: findings(report), audited, configured };
}

const findings = (report) => report.findings.map((finding) => `${finding.checkId}:${finding.severity}`);

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
    return { refused: /Config invalid|Invalid config/.test(err) ? "invalid" : "crash", message: err.slice(-2000) };
  }
  return { findings: findings(JSON.parse(out.slice(start))) };
}

function environment(request) {
  const env = { PATH: "/usr/bin:/bin", HOME: request.home, LANG: "C.UTF-8" };
  for (const [name, value] of Object.entries(request.env)) env[name] = value.replaceAll("$HOME", request.home);
  return env;
}

/** The process as the command would find it: its environment, its directory, no cache of another installation. */
async function inThisProcess(request) {
  for (const name of Object.keys(process.env)) delete process.env[name];
  Object.assign(process.env, environment(request));
  Object.assign(process.env, { OPENCLAW_CONFIG_CACHE_MS: "0", OPENCLAW_PLUGIN_MANIFEST_CACHE_MS: "60000" });
  modules.clearPluginManifestRegistryCache();
  process.chdir(request.home);
  try {
    return await audit(request);
  } catch (error) {
    return { refused: "crash", message: error instanceof Exit ? printed.slice(-2000) : String(error?.stack ?? error) };
  } finally {
    process.chdir("/");
  }
}

/** Legacy directories are moved once in a process; the folder of managed skills is decided when it starts. */
function needsTheCommand(request) {
  const moved = request.env.OPENCLAW_STATE_DIR ?? request.env.CLAWDBOT_STATE_DIR;
  const words = request.args.filter((arg) => arg !== "--json" && arg !== "--deep").join(" ");
  return !["", "security audit"].includes(words)
    || (request.args.includes("--deep") && moved)
    || LEGACY.some((name) => fs.lstatSync(path.join(request.home, name), { throwIfNoEntry: false }));
}

answer({ ready: true });
for await (const line of readline.createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  printed = "";
  answer(needsTheCommand(request) ? await command(request) : await inThisProcess(request));
}
process.reallyExit(0);
