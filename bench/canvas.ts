// Claim (e): what the first look at the canvas costs and whether everyone can use it. JavaScript of the first load, first contentful
// paint in Chromium on a real platform with an empty cache, and the findings of axe on the screens a person meets first.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import axe, { type AxeResults } from 'axe-core';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { type Bench, type Claim, makeClaim, type Settings } from './kit/claim.ts';
import { median, pairedRatio } from './kit/figures.ts';
import { launchPlatform, type PlatformProcess } from './kit/platform.ts';
import type { Stage } from './kit/stage.ts';

const CHROMIUM = process.env.MOLECULE_TEST_CHROMIUM ?? '/usr/bin/chromium';
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const VIEWPORT = { width: 1440, height: 900 };
const PAGE_LIMIT_MS = 30_000;
const SCRIPT_AIM_KB = 350;

interface FirstLook {
  paintMs: number;
  /** Until the canvas with its cards stands. */
  standsMs: number;
}

const inKb = (bytes: number) => bytes / 1024;

/** Scripts and module preloads of the page: what a browser fetches before the canvas decides anything. */
function listEagerScripts(html: string): string[] {
  const scripts = [...html.matchAll(/<script[^>]+src="([^"]+)"/g)];
  const preloads = [...html.matchAll(/<link[^>]+rel="modulepreload"[^>]+href="([^"]+)"/g)];
  return [...scripts, ...preloads].map(([, path]) => path as string);
}

async function measureScripts(url: string): Promise<Claim> {
  const html = await (await fetch(url, { signal: AbortSignal.timeout(PAGE_LIMIT_MS) })).text();
  const paths = listEagerScripts(html);
  if (paths.length === 0) throw new Error('the canvas page loads no script; is it built?');
  const bodies = await Promise.all(
    paths.map(async (path) => {
      const reply = await fetch(new URL(path, url), { signal: AbortSignal.timeout(PAGE_LIMIT_MS) });
      if (!reply.ok) throw new Error(`${path} answered ${reply.status}`);
      return Buffer.from(await reply.arrayBuffer());
    }),
  );
  const whole = bodies.reduce((sum, body) => sum + body.length, 0);
  const packed = bodies.reduce((sum, body) => sum + gzipSync(body).length, 0);
  return makeClaim({
    name: 'canvas.scripts',
    what: `JavaScript that index.html loads (${paths.length} files), each compressed with gzip`,
    aim: { on: 'value', atMost: SCRIPT_AIM_KB },
    value: inKb(packed),
    unit: 'KB',
    baseline: { name: 'the same uncompressed', value: inKb(whole), unit: 'KB' },
    medians: {},
  });
}

/** The least a browser can paint: one line, from this process. */
async function serveBarePage(stage: Stage): Promise<string> {
  const server = createServer((_request, response) =>
    response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>bare</title><p>Hello</p>'),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  stage.atEnd(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function readPaint(page: Page): Promise<number> {
  const paint = await page.waitForFunction(
    () => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null,
    undefined,
    { timeout: PAGE_LIMIT_MS },
  );
  return (await paint.jsonValue()) as number;
}

async function signIn(context: BrowserContext, platform: PlatformProcess): Promise<void> {
  const reply = await context.request.post(`${platform.url}/auth/session`, { data: { token: platform.adminToken } });
  if (!reply.ok()) throw new Error(`signing in answered ${reply.status()}`);
}

async function openCanvas(context: BrowserContext, platform: PlatformProcess): Promise<Page> {
  const page = await context.newPage();
  page.setDefaultTimeout(PAGE_LIMIT_MS);
  await page.goto(platform.url);
  await page.getByTestId('canvas-root').waitFor();
  return page;
}

async function lookOnce(browser: Browser, platform: PlatformProcess): Promise<FirstLook> {
  const context = await browser.newContext({ viewport: VIEWPORT, colorScheme: 'dark' });
  await signIn(context, platform);
  const page = await openCanvas(context, platform);
  await page.locator('[data-testid^="node-"]').first().waitFor();
  const look = { standsMs: await page.evaluate(() => performance.now()), paintMs: await readPaint(page) };
  await context.close();
  return look;
}

async function lookAtBarePage(browser: Browser, url: string): Promise<number> {
  const context = await browser.newContext({ viewport: VIEWPORT });
  const page = await context.newPage();
  await page.goto(url);
  const paintMs = await readPaint(page);
  await context.close();
  return paintMs;
}

async function measurePaint(
  stage: Stage,
  browser: Browser,
  platform: PlatformProcess,
  settings: Settings,
): Promise<Claim> {
  const bareUrl = await serveBarePage(stage);
  await lookAtBarePage(browser, bareUrl);
  await lookOnce(browser, platform);
  const looks: (FirstLook & { bareMs: number })[] = [];
  for (let round = 0; round < settings.rounds; round += 1)
    looks.push({ bareMs: await lookAtBarePage(browser, bareUrl), ...(await lookOnce(browser, platform)) });
  const of = (figure: keyof (typeof looks)[number]) => looks.map((look) => look[figure]);
  return makeClaim({
    name: 'canvas.paint',
    what: 'first contentful paint, signed in, cache empty, five seats',
    aim: null,
    value: median(of('paintMs')),
    unit: 'ms',
    baseline: { name: 'a page of one line', value: median(of('bareMs')), unit: 'ms' },
    ratio: pairedRatio(of('paintMs'), of('bareMs')),
    medians: { cards_stand_ms: median(of('standsMs')) },
  });
}

interface Scan {
  screen: string;
  /** Rule and the elements that break it. */
  findings: { rule: string; at: string[] }[];
  passed: number;
}

async function scan(page: Page, screen: string): Promise<Scan> {
  await page.evaluate(axe.source);
  const { violations, passed } = await page.evaluate(async () => {
    const { axe: injected } = window as unknown as { axe: { run(): Promise<AxeResults> } };
    const results = await injected.run();
    return {
      violations: results.violations.map(({ id, nodes }) => ({
        rule: id,
        at: nodes.map(({ target }) => target.join(' ')),
      })),
      passed: results.passes.length,
    };
  });
  return { screen, findings: violations, passed };
}

async function openContext(browser: Browser, theme: 'dark' | 'light'): Promise<BrowserContext> {
  const context = await browser.newContext({ viewport: VIEWPORT, colorScheme: theme, reducedMotion: 'reduce' });
  await context.addInitScript((name) => localStorage.setItem('molecule.theme', name), theme);
  return context;
}

async function scanLogin(browser: Browser, platform: PlatformProcess, theme: 'dark' | 'light') {
  const context = await openContext(browser, theme);
  const page = await context.newPage();
  await page.goto(platform.url);
  await page.getByLabel('Admin token').waitFor({ timeout: PAGE_LIMIT_MS });
  const result = await scan(page, `sign-in, ${theme}`);
  await context.close();
  return result;
}

async function scanCanvas(browser: Browser, platform: PlatformProcess, theme: 'dark' | 'light', seat: string | null) {
  const context = await openContext(browser, theme);
  await signIn(context, platform);
  const page = await openCanvas(context, platform);
  if (seat === null) {
    await page.getByRole('button', { name: /sample team/i }).waitFor();
    const result = [await scan(page, `empty canvas, ${theme}`)];
    await context.close();
    return result;
  }
  const card = page.getByTestId(`node-${seat}`);
  await card.waitFor();
  const results = [await scan(page, `canvas, ${theme}`)];
  await card.click();
  await page.getByTestId('panel').waitFor();
  for (const tab of ['chat', 'activity', 'details']) {
    await page.getByTestId(`tab-${tab}`).click();
    await page.getByTestId(`panel-${tab}`).waitFor();
    results.push(await scan(page, `${tab}, ${theme}`));
  }
  await context.close();
  return results;
}

const THEMES = ['dark', 'light'] as const;

async function createTeam(platform: PlatformProcess): Promise<string> {
  const place = (name: string, x: number, y: number, parent_id?: string) =>
    platform.admin.createWorkspace({ body: { name, external: true, canvas: { x, y }, parent_id: parent_id ?? null } });
  const lead = await place('Lead', 300, 120);
  for (const [index, name] of ['Research', 'Writing', 'Review', 'Figures'].entries())
    await place(name, 120 + index * 280, 320, lead.id);
  return lead.id;
}

const MOST_ELEMENTS = 3;

/** One line per rule: where it is broken, by how much of what. */
function describeFindings(scans: readonly Scan[]): string[] {
  const byRule = new Map<string, { screens: string[]; at: Set<string> }>();
  for (const { screen, findings } of scans) {
    for (const { rule, at } of findings) {
      const known = byRule.get(rule) ?? { screens: [], at: new Set() };
      known.screens.push(screen);
      for (const element of at) known.at.add(element);
      byRule.set(rule, known);
    }
  }
  return [...byRule].map(([rule, { screens, at }]) => {
    const elements = [...at];
    const more = elements.length > MOST_ELEMENTS ? `, and ${elements.length - MOST_ELEMENTS} more` : '';
    return `${rule} on ${screens.join('; ')}: ${elements.slice(0, MOST_ELEMENTS).join(', ')}${more}`;
  });
}

function accessibilityClaim(scans: readonly Scan[]): Claim {
  return makeClaim({
    name: 'canvas.axe',
    what: `findings of axe, a rule per screen, on ${scans.length} screens, dark and light`,
    aim: { on: 'value', atMost: 0 },
    value: scans.reduce((sum, { findings }) => sum + findings.length, 0),
    unit: 'findings',
    baseline: { name: 'checks passed', value: scans.reduce((sum, { passed }) => sum + passed, 0), unit: 'checks' },
    medians: {},
    notes: describeFindings(scans),
  });
}

export const canvas: Bench = {
  name: 'canvas',
  what: 'the first load of the canvas, its first paint, and the findings of axe',
  async run(stage, settings) {
    const store = { name: 'embedded', url: null, dataDir: await stage.folder() } as const;
    const platform = await launchPlatform(stage, { store, settings });
    const browser = await chromium.launch({
      executablePath: CHROMIUM,
      args: FLAGS,
      // The stage ends it; on a signal the library would end this process before the platform has stopped.
      handleSIGINT: false,
      handleSIGTERM: false,
      handleSIGHUP: false,
    });
    stage.atEnd(() => browser.close());
    const scans: Scan[] = [];
    for (const theme of THEMES) {
      scans.push(await scanLogin(browser, platform, theme));
      scans.push(...(await scanCanvas(browser, platform, theme, null)));
    }
    const lead = await createTeam(platform);
    for (const theme of THEMES) scans.push(...(await scanCanvas(browser, platform, theme, lead)));
    return [
      await measureScripts(platform.url),
      await measurePaint(stage, browser, platform, settings),
      accessibilityClaim(scans),
    ];
  },
};
