// Opens a report from disk in Chromium and checks what a reader would notice. Prints what it measured; exits with 1
// and says what is wrong.
//   node look.mjs CHROMIUM REPORT.html NAME SCREENSHOTS [--fast]     --fast: also holds the time limits
import { createRequire } from "node:module";
import { readFileSync, mkdirSync } from "node:fs";
import { pathToFileURL } from "node:url";
import puppeteer from "puppeteer-core";

const [chromium, file, name, folder, ...rest] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
mkdirSync(folder, { recursive: true });
const wrong = [];
const expect = (holds, what) => { if (!holds) wrong.push(what); };

const browser = await puppeteer.launch({
  executablePath: chromium, headless: true, args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
});

async function open(width, scheme) {
  const page = await browser.newPage();
  await page.setViewport({ width, height: 900 });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
  const url = pathToFileURL(file).href;
  page.on("request", (request) => { if (request.url() !== url && !/^(data|blob):/.test(request.url())) wrong.push(`asks for ${request.url()}`); });
  page.on("console", (message) => { if (["error", "warn"].includes(message.type())) wrong.push(`console: ${message.text()}`); });
  page.on("pageerror", (error) => wrong.push(`script: ${error.message}`));
  await page.goto(url, { waitUntil: "load" });
  await page.waitForFunction(() => document.documentElement.dataset.drawn, { timeout: 30000 });
  return page;
}

for (const scheme of ["light", "dark"]) {
  for (const width of [1280, 400]) {
    const page = await open(width, scheme);
    const sideways = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    expect(sideways <= 0, `at ${width} pixels the page is ${sideways} pixels too wide`);
    await page.screenshot({ path: `${folder}/${name}-${width}-${scheme}.png`, fullPage: true });
    if (width === 1280) {
      // Injected by the debugger, which the page's policy does not bind.
      const client = await page.createCDPSession();
      await client.send("Runtime.evaluate", { expression: axe });
      const found = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
      for (const { id, impact, nodes } of found.violations) {
        const what = `axe: ${impact} ${id} (${scheme}): ${nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(" | ")}`;
        if (["serious", "critical"].includes(impact)) wrong.push(what);
        else console.log(what);
      }
    }
    await page.close();
  }
}

const page = await open(1280, "light");
const times = await page.evaluate(() => ({ ...document.documentElement.dataset, load: Math.round(performance.timing.loadEventEnd - performance.timing.navigationStart) }));
console.log(`${name}: loaded in ${times.load} ms, first plot at ${times.first} ms, all plots at ${times.drawn} ms`);
if (rest.includes("--fast")) expect(Number(times.drawn) < 2000, `all plots are there after ${times.drawn} ms, not within 2 s`);

const plots = await page.evaluate(() => [...document.querySelectorAll(".plot")].map((plot) => ({
  name: plot.dataset.figure || plot.id,
  marks: plot.querySelectorAll("svg .mark-group path, svg path[aria-roledescription], svg .mark-symbol path, svg .mark-rect path, svg .mark-line path, svg .mark-text text").length,
  canvas: (() => {
    const canvas = plot.querySelector("canvas");
    if (!canvas) return 0;
    const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    let painted = 0;
    for (let at = 3; at < pixels.length; at += 4) painted += pixels[at] > 0;
    return painted;
  })(),
  described: Boolean(plot.querySelector("[aria-label]")) || Boolean(plot.querySelector("canvas")),
})));
expect(plots.length > 0, "there are no plots");
for (const plot of plots) expect(plot.marks > 0 || plot.canvas > 1000, `plot ${plot.name} has no marks`);
console.log(`${name}: plots ${plots.map((plot) => plot.name).join(", ")}`);

if (await page.$("#front-plot")) {
  const chosen = () => page.$eval("#chosen", (element) => element.textContent);
  const body = () => page.$$eval("#rows tbody tr", (rows) => rows.length);
  const before = await chosen();
  // A drag over a part of the plot.
  await page.$eval("#front-plot", (element) => element.scrollIntoView({ block: "center" }));
  const box = await (await page.$("#front-plot svg.marks, #front-plot canvas")).boundingBox();
  await page.mouse.move(box.x + box.width * 0.3, box.y + box.height * 0.35);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.6, box.y + box.height * 0.6, { steps: 8 });
  await page.mouse.move(box.x + box.width * 0.97, box.y + box.height * 0.86, { steps: 8 });
  await page.mouse.up();
  await page.waitForFunction((was) => document.getElementById("chosen").textContent !== was, { timeout: 5000 }, before)
    .catch(() => wrong.push("a drag over the plot does not change what is chosen"));
  const after = await chosen();
  expect(/^[\d,]+ of [\d,]+ drawn/.test(after), `after a drag it says: ${after}`);
  const [some, all] = (after.match(/[\d,]+/g) || ["0", "0"]).map((text) => Number(text.replaceAll(",", "")));
  expect(some < all, `a drag over a part of the plot chooses ${some} of ${all}`);
  expect((await body()) === Math.min(some, 25), `the table has ${await body()} rows, not ${Math.min(some, 25)}`);
  console.log(`${name}: a drag: ${after}`);
  await page.screenshot({ path: `${folder}/${name}-brushed.png` });
  // The same by keyboard: limits that only the lowest value of y meets.
  await page.click("#clear");
  await page.waitForFunction(() => document.getElementById("chosen").textContent.startsWith("All "), { timeout: 5000 });
  await page.focus("#to-y");
  await page.keyboard.type("0.000001");
  await page.keyboard.press("Tab");
  await page.waitForFunction(() => /^[\d,]+ of/.test(document.getElementById("chosen").textContent), { timeout: 5000 })
    .catch(() => wrong.push("a typed limit does not choose"));
  expect((await chosen()).startsWith("0 of"), `below every latency there is: ${await chosen()}`);
  await page.click("#clear");
  await page.waitForFunction(() => document.getElementById("chosen").textContent.startsWith("All "), { timeout: 5000 });
  // Other axes: every choice draws.
  const choices = await page.$$eval("#pick-x option", (options) => options.map((option) => option.value));
  for (const choice of [choices[1], choices.at(-1)]) {
    const drawn = await page.evaluate(() => performance.now());
    await page.select("#pick-x", choice);
    await page.waitForFunction(() => document.querySelector("#front-plot svg.marks, #front-plot canvas"), { timeout: 5000 });
    void drawn;
  }
  // A point under the pointer says which deployment it is.
  const target = await page.$("#front-plot svg .mark-symbol.role-mark path");
  if (target) {
    await target.hover();
    const bubble = await page.waitForFunction(() => !document.getElementById("bubble").hidden && document.getElementById("bubble").textContent, { timeout: 3000 }).catch(() => null);
    expect(bubble, "pointing at a deployment says nothing");
  }
  // Sorting.
  await page.click("#rows th button");
  expect(await page.$("#rows th[aria-sort]"), "a click on a column does not sort");
}

// Both ways round, the button changes the colours.
const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
const light = await paper();
await page.click("#theme");
await page.waitForFunction(() => document.documentElement.dataset.plots === "dark", { timeout: 10000 });
expect((await paper()) !== light, "the button does not change the colours");

// On paper.
await page.pdf({ path: `${folder}/${name}.pdf`, format: "A4", printBackground: true });
await browser.close();
for (const what of new Set(wrong)) console.error(`${name}: ${what}`);
process.exit(wrong.length ? 1 : 0);
