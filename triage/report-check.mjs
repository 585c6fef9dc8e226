// Opens a report in headless Chromium at the widths of a phone and of a desk, light and dark, and
// checks the page. Validates the SARIF and the JSON. `make report-check` calls this script:
// report-check.mjs REPORT-FOLDER SCREENSHOT-FOLDER.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const require = createRequire(join(process.env.NODE_MODULES, "x.js"));
const { chromium } = require("playwright-core");
const Ajv = require("ajv-draft-04");
const Ajv2020 = require("ajv/dist/2020");
const formats = require("ajv-formats");

const [folder, shots] = process.argv.slice(2).map((path) => resolve(path));
let failures = 0;
function check(what, holds, more = "") {
  if (holds) return;
  failures += 1;
  console.error(`FAILED: ${what} ${more}`);
}

function validate(validator, schema, file) {
  formats(validator);
  const isValid = validator.compile(JSON.parse(readFileSync(schema)));
  const text = readFileSync(join(folder, file), "utf8");
  check(`${file} is valid`, isValid(JSON.parse(text)), JSON.stringify(isValid.errors, null, 1));
}
const sarif = require.resolve("@microsoft/jest-sarif/package.json").replace("package.json", "lib/schemas/sarif-2.1.0-rtm.5.json");
validate(new Ajv({ strict: false, allErrors: true, unicodeRegExp: false }), sarif, "report.sarif");
validate(new Ajv2020({ allErrors: true }), new URL("../docs/report.schema.json", import.meta.url), "report.json");

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync"],
});
const url = pathToFileURL(join(folder, "report.html")).href;
const report = JSON.parse(readFileSync(join(folder, "report.json"), "utf8"));

for (const width of [375, 1280]) {
  for (const colorScheme of ["light", "dark"]) {
    const name = `${width}-${colorScheme}`;
    const context = await browser.newContext({ viewport: { width, height: 800 }, colorScheme });
    const page = await context.newPage();
    page.on("console", (message) => check(`${name}: the console is silent`, false, message.text()));
    page.on("pageerror", (error) => check(`${name}: no errors`, false, error.message));
    page.on("request", (request) => check(`${name}: nothing is loaded`, request.url() === url, request.url()));
    await page.goto(url);
    await page.screenshot({ path: join(shots, `${name}.png`), fullPage: true });

    const seen = await page.evaluate(() => ({
      width: document.documentElement.scrollWidth,
      scripts: document.querySelectorAll("script").length,
      // elements that a file name or a program could have smuggled in
      strange: document.querySelectorAll("img, iframe, object, embed, form, [onerror], [onclick]").length,
      outside: [...document.querySelectorAll("[href], [src]")].filter((e) => !e.getAttribute("href")?.startsWith("#")).length,
      clusters: document.querySelectorAll("section.cluster").length,
      pictures: document.querySelectorAll("svg.picture").length,
    }));
    check(`${name}: the page is as wide as the window`, seen.width <= width, `${seen.width}`);
    check(`${name}: one script`, seen.scripts === 1, `${seen.scripts}`);
    check(`${name}: no smuggled elements`, seen.strange === 0, `${seen.strange}`);
    check(`${name}: no links to elsewhere`, seen.outside === 0, `${seen.outside}`);
    check(`${name}: all clusters`, seen.clusters === report.clusters.length && seen.pictures === seen.clusters, JSON.stringify(seen));

    // Tab reaches one cell of a picture, the arrow keys reach the others. The readout below the
    // picture describes the cell that has the focus.
    const picture = page.locator("svg.picture").first();
    check(`${name}: one cell in the order of tabs`, (await picture.locator('[tabindex="0"]').count()) === 1);
    await picture.locator('[tabindex="0"]').focus();
    const label = () => page.evaluate(() => document.activeElement.querySelector("title").textContent);
    const readout = page.locator(".readout").first();
    const first = await label();
    check(`${name}: the readout follows the focus`, (await readout.textContent()) === first, first);
    await page.keyboard.press("ArrowRight");
    const second = await label();
    check(`${name}: the arrow keys move`, second !== first && (await readout.textContent()) === second, second);
    await page.keyboard.press("ArrowDown");
    check(`${name}: there are rows below`, (await label()) !== second);
    await page.screenshot({ path: join(shots, `${name}-focus.png`) });

    // open everything, so that axe checks the tables as well
    await page.evaluate(() => document.querySelectorAll("details").forEach((details) => { details.open = true; }));
    await page.evaluate(readFileSync(require.resolve("axe-core"), "utf8"));
    const result = await page.evaluate(() => axe.run());
    for (const { id, help, nodes } of result.violations) {
      check(`${name}: axe ${id}: ${help}`, false, nodes.slice(0, 3).map((node) => node.html.slice(0, 300)).join("\n  "));
    }
    check(`${name}: axe looked`, result.passes.length > 10);
    await context.close();
  }
}

// In print, the page is light even in dark mode, and no picture is wider than the sheet.
const page = await (await browser.newContext({ colorScheme: "dark" })).newPage();
await page.goto(url);
await page.pdf({ path: join(shots, "print.pdf"), format: "A4", margin: { top: "12mm", bottom: "12mm", left: "12mm", right: "12mm" } });
await page.emulateMedia({ media: "print" });
await page.setViewportSize({ width: 720, height: 1000 });
const print = await page.evaluate(() => ({
  paper: getComputedStyle(document.body).backgroundColor,
  wide: [...document.querySelectorAll("svg.picture")].filter((e) => e.getBoundingClientRect().right > innerWidth).length,
}));
check("print: on white", print.paper === "rgb(255, 255, 255)", print.paper);
check("print: pictures are no wider than the sheet", print.wide === 0, `${print.wide}`);
await browser.close();

console.log(`report-check: ${report.clusters.length} clusters, ${failures} failures, screenshots in ${shots}`);
process.exit(failures === 0 ? 0 : 1);
