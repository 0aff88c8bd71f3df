// Opens each page of this folder in a browser, in both themes, on a telephone's and on a desk's width, and on paper.
import { readFileSync, readdirSync } from "node:fs";
import { pathToFileURL } from "node:url";
import puppeteer from "puppeteer-core";

const WIDTHS = [390, 1280];
// More findings than a reader of accessibility trees goes through in a minute.
const LARGE = 5_000_000;
const axe = readFileSync("node_modules/axe-core/axe.min.js", "utf8");
const shots = process.env.SHOTS;
let failures = 0;

function expect(isSo, what) {
  if (!isSo) {
    console.log(`FAILED   ${what}`);
    failures += 1;
  }
}

const browser = await puppeteer.launch({
  executablePath: process.env.BROWSER,
  args: process.getuid() === 0 ? ["--no-sandbox"] : [],
  protocolTimeout: 300_000,
});

// Opens a page, and tells whatever the browser has to say of it.
async function open(file, theme, width, bypass) {
  const page = await browser.newPage();
  const said = [];
  const url = pathToFileURL(file).href;
  page.on("console", (message) => said.push(message.text()));
  page.on("pageerror", (error) => said.push(String(error)));
  page.on("dialog", (dialog) => said.push(dialog.message()));
  page.on("request", (request) => request.url() === url || said.push(`it asks for ${request.url()}`));
  await page.evaluateOnNewDocument(() =>
    addEventListener("securitypolicyviolation", (event) => console.error(`not allowed: ${event.violatedDirective}`)),
  );
  await page.setBypassCSP(bypass);
  await page.setViewport({ width, height: 900 });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: theme }]);
  await page.goto(url, { waitUntil: "load", timeout: 60_000 });
  const found = await page.evaluate(() => ({
    title: document.title,
    width: document.scrollingElement.scrollWidth - innerWidth,
    // Elements and attributes that the template does not have.
    strange: [...document.querySelectorAll("*")]
      .filter((one) => /^(script|img|iframe|base|link|form|object)$/i.test(one.localName)
        || [...one.attributes].some(({ name }) => /^on|^style$|^src/.test(name)))
      .map((one) => one.outerHTML.slice(0, 100)),
    styled: getComputedStyle(document.querySelector(".verdict")).display === "flex",
  }));
  const where = `${file}, ${theme}, ${width} px${bypass ? ", without its policy" : ""}`;
  expect(said.length === 0, `${where}: ${said.join("; ")}`);
  expect(found.title.includes(": audit of "), `${where}: a script ran: ${found.title}`);
  expect(found.strange.length === 0, `${where}: ${found.strange.join("; ")}`);
  expect(found.width <= 0, `${where}: it scrolls sideways by ${found.width} px`);
  expect(found.styled, `${where}: the style does not count`);
  return { page, where };
}

for (const file of readdirSync(".").filter((name) => name.endsWith(".html")).sort()) {
  const isLarge = readFileSync(file).length > LARGE;
  const start = Date.now();
  for (const theme of ["light", "dark"]) {
    for (const width of WIDTHS) {
      const { page, where } = await open(file, theme, width, false);
      if (shots) {
        await page.screenshot({ path: `${shots}/${file}-${theme}-${width}.png`, fullPage: !isLarge });
      }
      if (!isLarge) {
        await page.evaluate(axe);
        const { violations } = await page.evaluate(() => axe.run(document, { preload: false }));
        for (const { id, nodes } of violations) {
          expect(false, `${where}: axe says ${id} of ${nodes.length}: ${nodes[0].html.slice(0, 200)} ${nodes[0].failureSummary}`);
        }
      }
      await page.close();
    }
  }
  // Where nothing forbids a script, none runs either.
  const { page } = await open(file, "light", WIDTHS[1], true);
  if (!isLarge) {
    // On paper all is unfolded.
    const hidden = await page.evaluate(async () => {
      document.querySelectorAll("details").forEach((one) => one.removeAttribute("open"));
      return document.querySelectorAll(".detail").length;
    });
    await page.emulateMediaType("print");
    const shown = await page.evaluate(
      () => [...document.querySelectorAll(".detail")].filter((one) => one.getBoundingClientRect().height > 0).length,
    );
    expect(shown === hidden, `${file}: of ${hidden} findings ${shown} are printed`);
    const pdf = await page.pdf({ path: shots ? `${shots}/${file}.pdf` : undefined, format: "A4", printBackground: true, preferCSSPageSize: true });
    expect(pdf.length > 10_000, `${file}: it cannot be printed`);
  }
  await page.close();
  console.log(`ok       ${file} (${Math.round((Date.now() - start) / 1000)} s)`);
}
await browser.close();
process.exit(failures === 0 ? 0 : 1);
